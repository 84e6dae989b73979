-- migrate:up

-- When viewers were first told of the broadcast; null again when its approval is given up. A rehearsal of an
-- announced show is waited for in its room, an unannounced one is nobody's business but staff's.
ALTER TABLE broadcasts ADD COLUMN announced_at timestamptz;
UPDATE broadcasts SET announced_at = coalesce(
    (SELECT max(at) FROM broadcast_history h WHERE h.broadcast_id = broadcasts.broadcast_id AND h.move = 'schedule'),
    created_at)
WHERE state = 'scheduled'
   OR (state IN ('rehearsal', 'live', 'paused')
       AND EXISTS (SELECT FROM broadcast_history h
                   WHERE h.broadcast_id = broadcasts.broadcast_id AND h.move = 'schedule'));

-- migrate:down

ALTER TABLE broadcasts DROP COLUMN announced_at;
