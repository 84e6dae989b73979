-- migrate:up

-- Each questionnaire that was handed in, with what it came to. Only `confirmed_at` is ever set later, and once.
CREATE TABLE assessments (
    assessment_id          text PRIMARY KEY,
    customer_id            text NOT NULL REFERENCES customers,
    business_date          date NOT NULL,
    questionnaire_version  text NOT NULL,
    answers                jsonb NOT NULL,
    points                 integer NOT NULL,
    risk_tolerance         smallint NOT NULL CHECK (risk_tolerance BETWEEN 1 AND 5),
    previous_tolerance     smallint CHECK (previous_tolerance BETWEEN 1 AND 5),
    assessed_at            timestamptz NOT NULL,
    confirmed_at           timestamptz,
    CHECK (confirmed_at IS NOT NULL OR previous_tolerance IS DISTINCT FROM risk_tolerance)
);
CREATE INDEX assessments_by_customer ON assessments (customer_id, assessment_id DESC);

CREATE FUNCTION assessment_confirmed_once() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    allowed assessments := OLD;
BEGIN
    allowed.confirmed_at := NEW.confirmed_at;
    IF OLD.confirmed_at IS NOT NULL OR allowed IS DISTINCT FROM NEW THEN
        RAISE EXCEPTION 'assessments is append-only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER assessments_are_confirmed_once BEFORE UPDATE ON assessments
    FOR EACH ROW EXECUTE FUNCTION assessment_confirmed_once();
CREATE TRIGGER assessments_are_not_deleted BEFORE DELETE ON assessments
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

-- migrate:down

DROP TABLE assessments;
DROP FUNCTION assessment_confirmed_once;
