-- migrate:up

-- Which grants a tip used up, so that a refund gives the same points back with the same expiry.
CREATE TABLE tip_uses (
    tip_id    text NOT NULL REFERENCES tips,
    grant_id  text NOT NULL REFERENCES point_grants,
    points    bigint NOT NULL CHECK (points > 0),
    PRIMARY KEY (tip_id, grant_id)
);
CREATE TRIGGER tip_uses_never_change BEFORE UPDATE OR DELETE ON tip_uses
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

-- A tip is refunded once and whole, by a person who says why.
CREATE TABLE tip_refunds (
    tip_id    text PRIMARY KEY REFERENCES tips,
    actor_id  text NOT NULL,
    reason    text NOT NULL,
    at        timestamptz NOT NULL
);
CREATE TRIGGER tip_refunds_never_change BEFORE UPDATE OR DELETE ON tip_refunds
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

-- migrate:down

DROP TABLE tip_refunds, tip_uses;
