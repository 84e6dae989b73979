-- migrate:up

-- Orders about which the core was asked in vain: others go before them, and they are asked about again from then on.
CREATE TABLE core_again (
    order_id text PRIMARY KEY,
    times    integer NOT NULL CHECK (times > 0),
    again_at timestamptz NOT NULL
);

-- migrate:down

DROP TABLE core_again;
