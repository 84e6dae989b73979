-- migrate:up

-- Whether the room has heard the comment, as the audience that it has now: a comment that is sent again because its
-- first sender got no ack is published if it was not, however late. Older rows are taken as heard.
ALTER TABLE comments ADD COLUMN published boolean NOT NULL DEFAULT true;
ALTER TABLE comments ALTER COLUMN published SET DEFAULT false;

-- migrate:down

ALTER TABLE comments DROP COLUMN published;
