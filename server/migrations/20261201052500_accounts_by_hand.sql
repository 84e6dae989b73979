-- migrate:up
-- Accounts made and passwords changed by `./run account` stand in its record of acts too.
ALTER TABLE account_acts DROP CONSTRAINT account_acts_act_check;
ALTER TABLE account_acts ADD CONSTRAINT account_acts_act_check
    CHECK (act IN ('close', 'reopen', 'add', 'password', 'licence'));

-- `signed_out`: no session that began before `until` is good; it reaches every process the way a ban does.
ALTER TABLE account_restrictions DROP CONSTRAINT account_restrictions_kind_check;
ALTER TABLE account_restrictions ADD CONSTRAINT account_restrictions_kind_check
    CHECK (kind IN ('mute', 'ban', 'closed', 'signed_out'));

-- migrate:down

DELETE FROM account_restrictions WHERE kind = 'signed_out';
ALTER TABLE account_restrictions DROP CONSTRAINT account_restrictions_kind_check;
ALTER TABLE account_restrictions ADD CONSTRAINT account_restrictions_kind_check CHECK (kind IN ('mute', 'ban', 'closed'));
-- The record never loses a row: those written meanwhile stay.
ALTER TABLE account_acts DROP CONSTRAINT account_acts_act_check;
ALTER TABLE account_acts ADD CONSTRAINT account_acts_act_check CHECK (act IN ('close', 'reopen')) NOT VALID;
