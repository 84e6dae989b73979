-- migrate:up

-- The W3C traceparent of what wrote a fact, where that is traced: it goes with the fact to the gateways.
ALTER TABLE commerce_outbox ADD COLUMN trace text;

-- migrate:down

ALTER TABLE commerce_outbox DROP COLUMN trace;
