-- migrate:up

-- The same client message id of the same actor in a broadcast is the same act, done once; rows from before have none.
ALTER TABLE moderation_acts ADD COLUMN client_message_id text;
CREATE UNIQUE INDEX moderation_acts_once ON moderation_acts (actor_id, broadcast_id, client_message_id)
    WHERE client_message_id IS NOT NULL;

-- migrate:down

DROP INDEX moderation_acts_once;
ALTER TABLE moderation_acts DROP COLUMN client_message_id;
