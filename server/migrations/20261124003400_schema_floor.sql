-- migrate:up

-- The oldest program that can work with this schema, named by the newest migration that such a program knows.
-- A migration that takes something away (contract) raises it: UPDATE schema_floor SET version = '20261130000100';
-- where that is the migration that came with the first program which no longer used what is taken away.
CREATE TABLE schema_floor (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  text NOT NULL CHECK (version ~ '^[0-9]{14}$')
);
INSERT INTO schema_floor (version) VALUES ('20261124003400');

-- migrate:down

DROP TABLE schema_floor;
