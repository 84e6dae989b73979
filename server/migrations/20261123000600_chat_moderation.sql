-- migrate:up

-- Acts are about a comment, a person or the room's rules; rows are only ever added.
ALTER TABLE moderation_acts ADD COLUMN account_id text, ADD COLUMN detail text;
ALTER TABLE moderation_acts DROP CONSTRAINT moderation_acts_act_check;
ALTER TABLE moderation_acts ADD CONSTRAINT moderation_acts_act_check CHECK (act IN (
    'pin', 'unpin', 'remove', 'release', 'mute', 'unmute', 'ban', 'unban', 'rules',
    'pick', 'answer', 'announce', 'poll_open', 'poll_close'
));
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER moderation_acts_append_only BEFORE UPDATE OR DELETE ON moderation_acts
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE INDEX comments_held ON comments (broadcast_id, comment_seq) WHERE verdict = 'hold' AND removed_at IS NULL;

-- What viewers report: a comment, or the show where comment_id is ''. One open report a person and thing.
CREATE TABLE comment_reports (
    report_seq    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    broadcast_id  text NOT NULL,
    comment_id    text NOT NULL,
    account_id    text NOT NULL,
    reason        text NOT NULL,
    at            timestamptz NOT NULL,
    settled_at    timestamptz,
    UNIQUE (broadcast_id, comment_id, account_id)
);
CREATE INDEX comment_reports_open ON comment_reports (broadcast_id, report_seq) WHERE settled_at IS NULL;

-- Who may not talk (a mute, in one broadcast) or not be here at all (a ban; broadcast_id '' is every one).
-- `until` NULL is without end; a lifted one has an `until` that has passed. `changed_at` is the database's clock.
CREATE TABLE account_restrictions (
    kind          text NOT NULL CHECK (kind IN ('mute', 'ban')),
    broadcast_id  text NOT NULL,
    account_id    text NOT NULL,
    until         timestamptz,
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, broadcast_id, account_id)
);
CREATE INDEX account_restrictions_changed ON account_restrictions (changed_at);

CREATE TABLE room_rules (
    broadcast_id  text PRIMARY KEY,
    muted_all     boolean NOT NULL DEFAULT false,
    slow_s        integer NOT NULL DEFAULT 0 CHECK (slow_s BETWEEN 0 AND 600),
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX room_rules_changed ON room_rules (changed_at);

-- A question (a comment of that kind) that the host took up; an unanswered one becomes a follow-up.
CREATE TABLE picked_questions (
    comment_id    text PRIMARY KEY REFERENCES comments (comment_id),
    broadcast_id  text NOT NULL,
    picked_by     text NOT NULL,
    picked_at     timestamptz NOT NULL,
    answered_at   timestamptz
);
CREATE INDEX picked_questions_open ON picked_questions (broadcast_id, picked_at) WHERE answered_at IS NULL;

-- What the bank says in the room, as typed: official answers (with the host's licence as it then was), announcements.
CREATE TABLE official_words (
    word_id            text PRIMARY KEY,
    broadcast_id       text NOT NULL,
    kind               text NOT NULL CHECK (kind IN ('answer', 'announcement')),
    comment_id         text REFERENCES comments (comment_id),
    text               text NOT NULL,
    account_id         text NOT NULL,
    display_name       text NOT NULL,
    licence_no         text NOT NULL,
    client_message_id  text NOT NULL,
    at                 timestamptz NOT NULL,
    stream_time_ms     bigint,
    UNIQUE (account_id, broadcast_id, client_message_id),
    CHECK (kind = 'announcement' OR licence_no <> '')
);
CREATE INDEX official_words_by_broadcast ON official_words (broadcast_id, kind, word_id);

CREATE TABLE polls (
    poll_id            text PRIMARY KEY,
    broadcast_id       text NOT NULL,
    question           text NOT NULL,
    options            text[] NOT NULL CHECK (cardinality(options) BETWEEN 2 AND 6),
    opened_by          text NOT NULL,
    client_message_id  text NOT NULL,
    opened_at          timestamptz NOT NULL,
    closed_at          timestamptz,
    UNIQUE (opened_by, broadcast_id, client_message_id)
);
CREATE UNIQUE INDEX polls_one_open ON polls (broadcast_id) WHERE closed_at IS NULL;
-- One vote a customer: the first stays.
CREATE TABLE poll_votes (
    poll_id     text NOT NULL REFERENCES polls (poll_id),
    account_id  text NOT NULL,
    choice      integer NOT NULL CHECK (choice >= 0),
    at          timestamptz NOT NULL,
    PRIMARY KEY (poll_id, account_id)
);

-- Figures of a show. Each gateway process writes its own totals, which only grow, so a repeated write changes nothing.
CREATE TABLE room_views (
    broadcast_id  text NOT NULL,
    gateway_id    text NOT NULL,
    views         bigint NOT NULL,
    watched_ms    bigint NOT NULL,
    hidden_ms     bigint NOT NULL,
    PRIMARY KEY (broadcast_id, gateway_id)
);
CREATE TABLE room_visitors (
    broadcast_id  text NOT NULL,
    account_id    text NOT NULL,
    PRIMARY KEY (broadcast_id, account_id)
);
CREATE TABLE room_peaks (
    broadcast_id  text PRIMARY KEY,
    peak_online   bigint NOT NULL,
    peak_at       timestamptz NOT NULL
);

-- migrate:down

DROP TABLE room_peaks;
DROP TABLE room_visitors;
DROP TABLE room_views;
DROP TABLE poll_votes;
DROP TABLE polls;
DROP TABLE official_words;
DROP TABLE picked_questions;
DROP TABLE room_rules;
DROP TABLE account_restrictions;
DROP TABLE comment_reports;
DROP INDEX comments_held;
DROP TRIGGER moderation_acts_append_only ON moderation_acts;
DROP FUNCTION refuse_change;
DELETE FROM moderation_acts WHERE act NOT IN ('pin', 'unpin', 'remove');
ALTER TABLE moderation_acts DROP CONSTRAINT moderation_acts_act_check;
ALTER TABLE moderation_acts ADD CONSTRAINT moderation_acts_act_check CHECK (act IN ('pin', 'unpin', 'remove'));
ALTER TABLE moderation_acts DROP COLUMN account_id, DROP COLUMN detail;
