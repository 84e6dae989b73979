-- migrate:up
-- Who was in a room from when to when, one row a stay; a gateway that died leaves `left_at` empty, and the stay ends
-- with the last word of that gateway in room_views. Beside the showings they say who saw which card.
CREATE TABLE room_stays (
    broadcast_id  text NOT NULL,
    account_id    text NOT NULL,
    entered_at    timestamptz NOT NULL,
    gateway_id    text NOT NULL,
    left_at       timestamptz,
    PRIMARY KEY (broadcast_id, account_id, entered_at)
);
-- How far a customer came with a product in a show before agreeing to anything: one row a step, whatever is repeated.
-- What comes after stands in acknowledgements and orders. `mismatch`: refused, as the product does not suit the level.
CREATE TABLE funnel_steps (
    broadcast_id  text NOT NULL,
    product_id    text NOT NULL,
    customer_id   text NOT NULL,
    step          text NOT NULL CHECK (step IN ('detail', 'gate', 'mismatch')),
    first_at      timestamptz NOT NULL,
    PRIMARY KEY (broadcast_id, product_id, customer_id, step)
);
CREATE INDEX acknowledgements_by_broadcast ON acknowledgements (broadcast_id, product_id);

-- migrate:down
DROP INDEX acknowledgements_by_broadcast;
DROP TABLE funnel_steps, room_stays;
