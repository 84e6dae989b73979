-- migrate:up

-- Each client's highest like count in a broadcast, so that totals outlive Redis.
CREATE TABLE like_counts (
    broadcast_id  text NOT NULL,
    client        text NOT NULL,
    highest       integer NOT NULL CHECK (highest >= 0),
    PRIMARY KEY (broadcast_id, client)
);

-- migrate:down

DROP TABLE like_counts;
