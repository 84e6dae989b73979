-- migrate:up
-- A customer's answers are sealed by the program like their name; `answers` of a sealed row is {}, which the version before
-- reads as well. Declared means are sealed within `customers.personal`; the plain columns empty with `./run rotate-keys`.
ALTER TABLE assessments ADD COLUMN sealed_answers bytea;
CREATE OR REPLACE FUNCTION assessment_confirmed_once() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    allowed assessments := OLD;
BEGIN
    allowed.confirmed_at := coalesce(OLD.confirmed_at, NEW.confirmed_at);
    IF NEW.sealed_answers IS NOT NULL AND NEW.answers = '{}' THEN
        allowed.sealed_answers := NEW.sealed_answers;
        allowed.answers := NEW.answers;
    END IF;
    IF allowed IS DISTINCT FROM NEW THEN
        RAISE EXCEPTION 'assessments is append-only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER assessments_are_not_emptied BEFORE TRUNCATE ON assessments
    FOR EACH STATEMENT EXECUTE FUNCTION commerce_append_only();

-- migrate:down
DROP TRIGGER assessments_are_not_emptied ON assessments;
CREATE OR REPLACE FUNCTION assessment_confirmed_once() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    allowed assessments := OLD;
BEGIN
    allowed.confirmed_at := NEW.confirmed_at;
    IF OLD.confirmed_at IS NOT NULL OR allowed IS DISTINCT FROM NEW THEN
        RAISE EXCEPTION 'assessments is append-only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
ALTER TABLE assessments DROP COLUMN sealed_answers;
