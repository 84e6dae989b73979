-- migrate:up
-- Behind one long transaction this would hold up every order: it gives up and can be run again.
SET LOCAL lock_timeout = '3s';

-- When the level was found that an order was decided by; with the customer it names the assessment. A level of the bank's
-- own has a date too. NULL: reserved by the version before.
ALTER TABLE orders ADD COLUMN assessed_at timestamptz;
DROP TRIGGER orders_keep_what_was_reserved ON orders;
CREATE TRIGGER orders_keep_what_was_reserved BEFORE UPDATE ON orders FOR EACH ROW
    WHEN ((OLD.order_id, OLD.customer_id, OLD.product_id, OLD.card_version, OLD.broadcast_id, OLD.showing_id,
           OLD.acknowledgement_id, OLD.amount_minor, OLD.currency, OLD.fee_minor, OLD.risk_rating, OLD.risk_tolerance,
           OLD.assessed_at, OLD.stream_time_ms, OLD.created_at)
          IS DISTINCT FROM
          (NEW.order_id, NEW.customer_id, NEW.product_id, NEW.card_version, NEW.broadcast_id, NEW.showing_id,
           NEW.acknowledgement_id, NEW.amount_minor, NEW.currency, NEW.fee_minor, NEW.risk_rating, NEW.risk_tolerance,
           NEW.assessed_at, NEW.stream_time_ms, NEW.created_at))
    EXECUTE FUNCTION orders_keep_what_was_reserved();
CREATE INDEX assessments_by_time ON assessments (customer_id, assessed_at);

-- What a senior read before a riskier product, and from when on they may order it, as they were told then. Rows of the
-- version before, which knew one text and one wait, get both here; those that it still writes are read as if they had.
ALTER TABLE extra_disclosures ADD COLUMN text text, ADD COLUMN orderable_from timestamptz;
UPDATE extra_disclosures SET
    text = '本产品风险等级较高，可能损失本金。请您结合自身年龄、健康状况、收入来源和资金用途审慎决定，必要时与家人商量。确认阅读后须等待24小时方可购买。',
    orderable_from = acknowledged_at + interval '24 hours';
CREATE TRIGGER extra_disclosures_never_change BEFORE UPDATE OR DELETE ON extra_disclosures
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();
CREATE TRIGGER extra_disclosures_are_not_emptied BEFORE TRUNCATE ON extra_disclosures
    FOR EACH STATEMENT EXECUTE FUNCTION commerce_append_only();

-- migrate:down
DROP TRIGGER extra_disclosures_are_not_emptied ON extra_disclosures;
DROP TRIGGER extra_disclosures_never_change ON extra_disclosures;
ALTER TABLE extra_disclosures DROP COLUMN orderable_from, DROP COLUMN text;
DROP INDEX assessments_by_time;
DROP TRIGGER orders_keep_what_was_reserved ON orders;
CREATE TRIGGER orders_keep_what_was_reserved BEFORE UPDATE ON orders FOR EACH ROW
    WHEN ((OLD.order_id, OLD.customer_id, OLD.product_id, OLD.card_version, OLD.broadcast_id, OLD.showing_id,
           OLD.acknowledgement_id, OLD.amount_minor, OLD.currency, OLD.fee_minor, OLD.risk_rating, OLD.risk_tolerance,
           OLD.stream_time_ms, OLD.created_at)
          IS DISTINCT FROM
          (NEW.order_id, NEW.customer_id, NEW.product_id, NEW.card_version, NEW.broadcast_id, NEW.showing_id,
           NEW.acknowledgement_id, NEW.amount_minor, NEW.currency, NEW.fee_minor, NEW.risk_rating, NEW.risk_tolerance,
           NEW.stream_time_ms, NEW.created_at))
    EXECUTE FUNCTION orders_keep_what_was_reserved();
ALTER TABLE orders DROP COLUMN assessed_at;
