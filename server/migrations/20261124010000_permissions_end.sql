-- migrate:up

-- Until when a person is signed in at most, of all tokens given to them; broadcast_id '' is a token without limit.
-- A media session whose own token has ended goes on for as long as its owner is signed in.
CREATE TABLE session_ends (
    account_id    text NOT NULL,
    broadcast_id  text NOT NULL,
    until         timestamptz NOT NULL,
    PRIMARY KEY (account_id, broadcast_id)
);

-- A closed account is a restriction that monitors cannot lift; it reaches every process the way a ban does.
ALTER TABLE account_restrictions DROP CONSTRAINT account_restrictions_kind_check;
ALTER TABLE account_restrictions ADD CONSTRAINT account_restrictions_kind_check
    CHECK (kind IN ('mute', 'ban', 'closed'));

-- Who closed or reopened an account, when and why; rows are only ever added.
CREATE TABLE account_acts (
    act_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  text NOT NULL REFERENCES accounts,
    act         text NOT NULL CHECK (act IN ('close', 'reopen')),
    actor       text NOT NULL,
    reason      text NOT NULL,
    at          timestamptz NOT NULL
);
CREATE TRIGGER account_acts_append_only BEFORE UPDATE OR DELETE ON account_acts
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- migrate:down

DROP TABLE account_acts;
DELETE FROM account_restrictions WHERE kind = 'closed';
ALTER TABLE account_restrictions DROP CONSTRAINT account_restrictions_kind_check;
ALTER TABLE account_restrictions ADD CONSTRAINT account_restrictions_kind_check CHECK (kind IN ('mute', 'ban'));
DROP TABLE session_ends;
