-- migrate:up

-- A fact that no room can read is kept out of the way of those behind it, until an operator has looked at it.
ALTER TABLE commerce_outbox ADD COLUMN set_aside_at timestamptz, ADD COLUMN set_aside_because text;

-- migrate:down

ALTER TABLE commerce_outbox DROP COLUMN set_aside_at, DROP COLUMN set_aside_because;
