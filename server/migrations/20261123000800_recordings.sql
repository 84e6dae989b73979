-- migrate:up

-- What the recorder wrote: one row a segment, so that a segment missing at the very end is noticed too. The segments
-- themselves lie in files, and their chain can be checked without these rows.
CREATE TABLE recording_segments (
    broadcast_id          text NOT NULL,
    number                integer NOT NULL CHECK (number > 0),
    previous_seal         text NOT NULL,
    seal                  text NOT NULL,
    sealed_bytes          bigint NOT NULL,
    packets               bigint NOT NULL,
    gaps                  integer NOT NULL,
    dropped_packets       bigint NOT NULL,
    first_stream_time_ms  bigint,
    last_stream_time_ms   bigint,
    opened_at             timestamptz NOT NULL,
    ended                 boolean NOT NULL,     -- closed in good order
    PRIMARY KEY (broadcast_id, number)
);

-- migrate:down

DROP TABLE recording_segments;
