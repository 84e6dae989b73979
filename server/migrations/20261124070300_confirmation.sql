-- migrate:up

-- `confirming_at`: from here on the order may be debited at any moment and cannot be cancelled. What the core decides of
-- scale-back and redemption later has its columns already; nothing fills them yet.
ALTER TABLE orders
    ADD COLUMN confirming_at timestamptz,
    ADD COLUMN confirmed_on date,                  -- the business date on which it was confirmed, or failed to be
    ADD COLUMN confirmed_units_minor bigint,       -- units in hundredths, as the currency has its minor units
    ADD COLUMN confirmed_amount_minor bigint,      -- NULL until then; less than amount_minor after a scale-back
    ADD COLUMN redeemed_units_minor bigint;
CREATE INDEX orders_to_confirm ON orders (order_id) WHERE state = 'accepted';
CREATE INDEX orders_confirmed_on ON orders (confirmed_on) WHERE confirmed_on IS NOT NULL;

-- migrate:down

DROP INDEX orders_confirmed_on, orders_to_confirm;
ALTER TABLE orders
    DROP COLUMN redeemed_units_minor, DROP COLUMN confirmed_amount_minor, DROP COLUMN confirmed_units_minor,
    DROP COLUMN confirmed_on, DROP COLUMN confirming_at;
