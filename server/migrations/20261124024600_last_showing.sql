-- migrate:up

-- Finds a broadcast's last showing, whose end a late viewer is told of.
CREATE INDEX showings_by_broadcast ON showings (broadcast_id, pulled_at DESC NULLS FIRST);

-- migrate:down

DROP INDEX showings_by_broadcast;
