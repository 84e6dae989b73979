-- migrate:up

-- Monitors whom a gateway held while it could not report them to Redis.
CREATE TABLE monitor_sightings (
    broadcast_id text NOT NULL,
    account_id   text NOT NULL,
    seen_at      timestamptz NOT NULL,
    PRIMARY KEY (broadcast_id, account_id)
);

-- migrate:down

DROP TABLE monitor_sightings;
