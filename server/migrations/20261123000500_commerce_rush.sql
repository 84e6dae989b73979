-- migrate:up

-- Every order of a rush names the same showing and card version. A foreign key would lock those two rows in each
-- transaction (FOR KEY SHARE, so a multixact as soon as two are at work) and look up, once more, what the transaction
-- has just read under its locks. Neither table ever loses a row; `audit` looks for orders that name nothing.
ALTER TABLE orders
    DROP CONSTRAINT orders_showing_id_fkey,
    DROP CONSTRAINT orders_product_id_card_version_fkey;
-- An order and its history are written by one statement and never deleted; `audit` finds one without the other.
ALTER TABLE order_history DROP CONSTRAINT order_history_order_id_fkey;

ALTER TABLE orders
    ADD COLUMN extended_at timestamptz,       -- when its reservation was extended, once at most
    ADD COLUMN submit_key text,               -- the idempotency key that the core's answer belongs to
    ADD COLUMN authenticated_at timestamptz;  -- when the customer proved who they are before submitting
CREATE INDEX orders_unresolved ON orders (updated_at) WHERE state IN ('submitted', 'outcome_unknown');

-- Rows come in the order of their age and go in it: a block range index serves the purge at no cost to an order.
DROP INDEX idempotency_keys_by_age;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys USING brin (created_at);

-- What the embedded core was asked for, by the order's id: asking again gets the same answer, and a reference that was
-- released before it ever arrived stays void.
CREATE TABLE core_holds (
    reference_id  text PRIMARY KEY,
    customer_id   text NOT NULL,
    amount_minor  bigint NOT NULL CHECK (amount_minor > 0),
    currency      text NOT NULL,
    state         text NOT NULL CHECK (state IN ('frozen', 'debited', 'released', 'refused', 'void')),
    at            timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);
-- Orders accepted by the version before this one have their funds frozen already.
INSERT INTO core_holds (reference_id, customer_id, amount_minor, currency, state, at, updated_at)
SELECT order_id, customer_id, amount_minor, currency, 'frozen', created_at, updated_at FROM orders
WHERE state = 'accepted';

-- migrate:down

DROP TABLE core_holds;
DROP INDEX idempotency_keys_by_age;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
DROP INDEX orders_unresolved;
ALTER TABLE orders DROP COLUMN extended_at, DROP COLUMN submit_key, DROP COLUMN authenticated_at;
ALTER TABLE order_history ADD CONSTRAINT order_history_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders;
ALTER TABLE orders
    ADD CONSTRAINT orders_showing_id_fkey FOREIGN KEY (showing_id) REFERENCES showings,
    ADD CONSTRAINT orders_product_id_card_version_fkey
        FOREIGN KEY (product_id, card_version) REFERENCES card_versions;
