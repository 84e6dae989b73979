-- migrate:up

-- How many are here now by each gateway process's last word; one that has not spoken for a while counts nothing.
ALTER TABLE room_views
    ADD COLUMN hidden_now bigint NOT NULL DEFAULT 0,
    ADD COLUMN seen_at timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE INDEX room_views_seen ON room_views (seen_at);

-- migrate:down

DROP INDEX room_views_seen;
ALTER TABLE room_views DROP COLUMN hidden_now, DROP COLUMN seen_at;
