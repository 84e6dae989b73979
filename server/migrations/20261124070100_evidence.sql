-- migrate:up

-- One row for each move of an order that is evidence (commerce/evidence.py says which). `record` is canonical JSON and
-- names the SHA-256 of what is sealed in `personal`; only a rotation of keys may write that column again.
CREATE TABLE sale_evidence (
    evidence_id    text PRIMARY KEY,
    order_id       text NOT NULL,
    step           integer NOT NULL,
    outcome        text NOT NULL,
    recorded_at    timestamptz NOT NULL,
    retain_until   date NOT NULL,
    record         bytea NOT NULL,
    record_sha256  bytea NOT NULL CHECK (record_sha256 = sha256(record)),
    personal       bytea NOT NULL,
    UNIQUE (order_id, step)
);

-- What the sequencer has yet to take into the chain.
CREATE TABLE evidence_unlinked (evidence_id text PRIMARY KEY);

-- The chain: link n is the SHA-256 over link n-1 and the record. It goes on from day to day.
CREATE TABLE evidence_links (
    position       bigint PRIMARY KEY CHECK (position > 0),
    day            date NOT NULL,
    evidence_id    text NOT NULL UNIQUE,
    record_sha256  bytea NOT NULL,
    link_sha256    bytea NOT NULL,
    linked_at      timestamptz NOT NULL
);

-- What stands in the file outside, line by line: the audit compares the two.
CREATE TABLE evidence_exports (
    number       bigint PRIMARY KEY CHECK (number > 0),
    position     bigint NOT NULL,
    link_sha256  bytea NOT NULL,
    line_sha256  bytea NOT NULL,
    exported_at  timestamptz NOT NULL
);

-- Moves made before there was evidence.
CREATE TABLE evidence_exempt (
    order_id  text NOT NULL,
    step      integer NOT NULL,
    PRIMARY KEY (order_id, step)
);
INSERT INTO evidence_exempt (order_id, step) SELECT order_id, step FROM order_history;

CREATE FUNCTION sale_evidence_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    allowed sale_evidence := OLD;
BEGIN
    allowed.personal := NEW.personal;
    IF allowed IS DISTINCT FROM NEW THEN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sale_evidence_is_not_changed BEFORE UPDATE ON sale_evidence
    FOR EACH ROW EXECUTE FUNCTION sale_evidence_append_only();
CREATE TRIGGER sale_evidence_is_not_deleted BEFORE DELETE ON sale_evidence
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();
CREATE TRIGGER sale_evidence_is_not_emptied BEFORE TRUNCATE ON sale_evidence
    FOR EACH STATEMENT EXECUTE FUNCTION commerce_append_only();
CREATE TRIGGER evidence_links_never_change BEFORE UPDATE OR DELETE ON evidence_links
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();
CREATE TRIGGER evidence_links_are_not_emptied BEFORE TRUNCATE ON evidence_links
    FOR EACH STATEMENT EXECUTE FUNCTION commerce_append_only();
CREATE TRIGGER evidence_exports_never_change BEFORE UPDATE OR DELETE ON evidence_exports
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();
CREATE TRIGGER evidence_exempt_never_changes BEFORE UPDATE OR DELETE ON evidence_exempt
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

-- migrate:down

DROP TABLE evidence_exempt, evidence_exports, evidence_links, evidence_unlinked, sale_evidence;
DROP FUNCTION sale_evidence_append_only;
