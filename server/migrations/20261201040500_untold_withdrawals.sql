-- migrate:up

-- Withdrawn comments whose room may not have heard so, or heard the comment after it; empty but for moments.
CREATE TABLE untold_withdrawals (
    comment_id   text PRIMARY KEY,
    broadcast_id text NOT NULL,
    since        timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- migrate:down

DROP TABLE untold_withdrawals;
