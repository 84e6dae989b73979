-- migrate:up

CREATE TABLE accounts (
    account_id          text PRIMARY KEY,
    login               text NOT NULL UNIQUE,
    password_hash       text NOT NULL,
    role                text NOT NULL CHECK (role IN ('viewer', 'host', 'guest', 'monitor', 'checker', 'operator')),
    display_name        text NOT NULL,
    nickname            text NOT NULL,
    employee_no         text,
    licence_no          text,
    licence_expires_on  date,
    disabled            boolean NOT NULL DEFAULT false,
    created_at          timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE broadcasts (
    broadcast_id      text PRIMARY KEY,
    title             text NOT NULL,
    summary           text NOT NULL DEFAULT '',
    state             text NOT NULL,
    version           integer NOT NULL DEFAULT 1,
    maker_id          text NOT NULL REFERENCES accounts,
    host_id           text NOT NULL REFERENCES accounts,
    monitor_id        text REFERENCES accounts,
    checker_id        text REFERENCES accounts,
    scheduled_at      timestamptz,
    clock_started_at  timestamptz,          -- first media packet: zero of stream_time_ms
    started_at        timestamptz,
    ended_at          timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    CHECK (checker_id IS DISTINCT FROM maker_id),
    CHECK (monitor_id IS DISTINCT FROM host_id)
);
CREATE INDEX broadcasts_by_state ON broadcasts (state, broadcast_id);
CREATE INDEX broadcasts_by_host ON broadcasts (host_id, broadcast_id);

-- Who moved what, when and why; rows are only ever added.
CREATE TABLE broadcast_history (
    history_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    broadcast_id    text NOT NULL REFERENCES broadcasts,
    move            text NOT NULL,
    from_state      text NOT NULL,
    to_state        text NOT NULL,
    actor_id        text NOT NULL,
    reason          text,
    stream_time_ms  bigint,
    at              timestamptz NOT NULL
);
CREATE INDEX broadcast_history_by_broadcast ON broadcast_history (broadcast_id, history_id);

CREATE TABLE encoder_tokens (
    token_id      text PRIMARY KEY,
    broadcast_id  text NOT NULL REFERENCES broadcasts,
    token_sha256  bytea NOT NULL UNIQUE,
    issued_by     text NOT NULL,
    issued_at     timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    revoked_at    timestamptz
);

-- migrate:down

DROP TABLE encoder_tokens;
DROP TABLE broadcast_history;
DROP TABLE broadcasts;
DROP TABLE accounts;
