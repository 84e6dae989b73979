-- migrate:up
-- What staff gave or wrote down for a customer by hand, who did it and why. The points or the money stand under the same
-- id in their own books; declared means are sealed in the customer's record.
CREATE TABLE customer_acts (
    act_id       text PRIMARY KEY,
    customer_id  text NOT NULL REFERENCES customers,
    act          text NOT NULL CHECK (act IN ('points', 'credit', 'means')),
    actor        text NOT NULL,
    reason       text NOT NULL,
    at           timestamptz NOT NULL
);
CREATE INDEX customer_acts_by_customer ON customer_acts (customer_id, at);
CREATE TRIGGER customer_acts_never_change BEFORE UPDATE OR DELETE ON customer_acts
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

-- migrate:down
DROP TABLE customer_acts;
