-- migrate:up
-- Behind one long transaction this would hold up every order: it gives up and can be run again.
SET LOCAL lock_timeout = '3s';

-- An order's first step, from acknowledged to reserved, is its own row: customer, amount, card, stage and both clocks are
-- in it, and from here on they never change. `order_history` holds the steps that follow; rows of before stay in it.
CREATE FUNCTION orders_keep_what_was_reserved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what an order was reserved with never changes' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER orders_keep_what_was_reserved BEFORE UPDATE ON orders FOR EACH ROW
    WHEN ((OLD.order_id, OLD.customer_id, OLD.product_id, OLD.card_version, OLD.broadcast_id, OLD.showing_id,
           OLD.acknowledgement_id, OLD.amount_minor, OLD.currency, OLD.fee_minor, OLD.risk_rating, OLD.risk_tolerance,
           OLD.stream_time_ms, OLD.created_at)
          IS DISTINCT FROM
          (NEW.order_id, NEW.customer_id, NEW.product_id, NEW.card_version, NEW.broadcast_id, NEW.showing_id,
           NEW.acknowledgement_id, NEW.amount_minor, NEW.currency, NEW.fee_minor, NEW.risk_rating, NEW.risk_tolerance,
           NEW.stream_time_ms, NEW.created_at))
    EXECUTE FUNCTION orders_keep_what_was_reserved();
CREATE TRIGGER orders_are_never_deleted BEFORE DELETE ON orders
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

-- Every step of every order, from 0 (or, of the program before this, from 1) on.
CREATE VIEW order_moves AS
    SELECT order_id, 0 AS step, 'acknowledged' AS from_state, 'reserved' AS to_state, customer_id AS actor_id,
           NULL::text AS reason, stream_time_ms, created_at AS at
    FROM orders o
    WHERE NOT EXISTS (
        SELECT 1 FROM order_history h WHERE h.order_id = o.order_id AND h.step = 1 AND h.from_state = 'acknowledged'
    )
    UNION ALL
    SELECT order_id, step, from_state, to_state, actor_id, reason, stream_time_ms, at FROM order_history;

-- migrate:down

INSERT INTO order_history (order_id, step, from_state, to_state, actor_id, reason, stream_time_ms, at)
SELECT order_id, 0, from_state, to_state, actor_id, reason, stream_time_ms, at FROM order_moves WHERE step = 0;
DROP VIEW order_moves;
DROP TRIGGER orders_are_never_deleted ON orders;
DROP TRIGGER orders_keep_what_was_reserved ON orders;
DROP FUNCTION orders_keep_what_was_reserved;
