-- migrate:up

-- Every comment with its verdict. `text` is as written, personal data starred out before storing.
CREATE TABLE comments (
    comment_seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    comment_id         text NOT NULL UNIQUE,
    broadcast_id       text NOT NULL,
    account_id         text NOT NULL,
    client_message_id  text NOT NULL,
    nickname           text NOT NULL,
    role               text NOT NULL,
    kind               text NOT NULL CHECK (kind IN ('comment', 'question')),
    text               text NOT NULL,
    verdict            text NOT NULL CHECK (verdict IN ('pass', 'hold', 'block')),
    reasons            text[] NOT NULL,
    audience           text NOT NULL CHECK (audience IN ('all', 'staff')),
    at                 timestamptz NOT NULL,
    stream_time_ms     bigint,
    removed_at         timestamptz,
    UNIQUE (account_id, broadcast_id, client_message_id),
    CHECK (verdict = 'pass' OR audience = 'staff')
);
CREATE INDEX comments_shown ON comments (broadcast_id, comment_seq DESC)
    WHERE verdict <> 'block' AND removed_at IS NULL;

CREATE TABLE pinned_comments (
    broadcast_id  text PRIMARY KEY,
    comment_id    text NOT NULL REFERENCES comments (comment_id)
);

-- Who pinned, unpinned or removed what, when and why; rows are only ever added.
CREATE TABLE moderation_acts (
    act_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    broadcast_id  text NOT NULL,
    act           text NOT NULL CHECK (act IN ('pin', 'unpin', 'remove')),
    comment_id    text,
    actor_id      text NOT NULL,
    reason        text,
    at            timestamptz NOT NULL
);
CREATE INDEX moderation_acts_by_broadcast ON moderation_acts (broadcast_id, act_id);

-- migrate:down

DROP TABLE moderation_acts;
DROP TABLE pinned_comments;
DROP TABLE comments;
