-- migrate:up

ALTER TABLE orders
    ADD COLUMN core_reference text,                        -- what the core knows this submission by
    ADD COLUMN release_due boolean NOT NULL DEFAULT false; -- its frozen funds are still to be given back
UPDATE orders SET core_reference = order_id WHERE state = 'accepted';
CREATE UNIQUE INDEX orders_by_core_reference ON orders (core_reference) WHERE core_reference IS NOT NULL;
CREATE UNIQUE INDEX orders_by_submit_key ON orders (customer_id, submit_key) WHERE submit_key IS NOT NULL;
CREATE INDEX orders_release_due ON orders (order_id) WHERE release_due;

-- migrate:down

DROP INDEX orders_release_due, orders_by_submit_key, orders_by_core_reference;
ALTER TABLE orders DROP COLUMN core_reference, DROP COLUMN release_due;
