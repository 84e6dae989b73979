-- migrate:up

CREATE FUNCTION commerce_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

-- Catalogue ---------------------------------------------------------------------------------------------------

CREATE TABLE products (
    product_id        text PRIMARY KEY,
    state             text NOT NULL CHECK (state IN ('draft', 'in_review', 'approved', 'rejected', 'withdrawn')),
    latest_version    integer NOT NULL CHECK (latest_version >= 1),
    approved_version  integer CHECK (approved_version <= latest_version),
    maker_id          text NOT NULL,         -- who made the latest version
    checker_id        text,                  -- who decided about it
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    CHECK (checker_id IS DISTINCT FROM maker_id),
    CHECK (state <> 'withdrawn' OR approved_version IS NULL)
);

-- What a customer was shown: never changed, the next version is another row.
CREATE TABLE card_versions (
    product_id              text NOT NULL REFERENCES products,
    card_version            integer NOT NULL CHECK (card_version >= 1),
    name                    text NOT NULL,
    issuer                  text NOT NULL,
    seller_role             text NOT NULL CHECK (seller_role IN ('own', 'agency')),
    product_type            text NOT NULL,
    issuer_rating           smallint NOT NULL CHECK (issuer_rating BETWEEN 1 AND 5),
    seller_rating           smallint NOT NULL CHECK (seller_rating BETWEEN 1 AND 5),
    risk_rating             smallint NOT NULL GENERATED ALWAYS AS (greatest(issuer_rating, seller_rating)) STORED,
    publicly_offered        boolean NOT NULL CHECK (publicly_offered),
    currency                text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    term_days               integer CHECK (term_days > 0),
    nav                     text,
    benchmark               jsonb,
    past_performance_shown  boolean NOT NULL,
    fees                    jsonb NOT NULL,
    subscription_fee_bps    integer NOT NULL CHECK (subscription_fee_bps BETWEEN 0 AND 1000),
    minimum_minor           bigint NOT NULL CHECK (minimum_minor > 0),
    increment_minor         bigint NOT NULL CHECK (increment_minor > 0),
    customer_maximum_minor  bigint NOT NULL CHECK (customer_maximum_minor >= minimum_minor),
    window_opens_at         timestamptz NOT NULL,
    window_closes_at        timestamptz NOT NULL CHECK (window_closes_at > window_opens_at),
    settlement              text NOT NULL,
    quota_total_minor       bigint NOT NULL CHECK (quota_total_minor > 0),
    disclosure_text         text NOT NULL,
    disclosure_sha256       text NOT NULL,
    maker_id                text NOT NULL,
    created_at              timestamptz NOT NULL,
    PRIMARY KEY (product_id, card_version),
    CHECK ((nav IS NULL) <> (benchmark IS NULL))
);
CREATE TRIGGER card_versions_never_change BEFORE UPDATE OR DELETE ON card_versions
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

CREATE TABLE documents (
    document_id  text PRIMARY KEY,
    title        text NOT NULL,
    body         text NOT NULL,
    sha256       text NOT NULL,
    created_at   timestamptz NOT NULL
);
CREATE TRIGGER documents_never_change BEFORE UPDATE OR DELETE ON documents
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

CREATE TABLE card_documents (
    product_id    text NOT NULL,
    card_version  integer NOT NULL,
    position      integer NOT NULL,
    document_id   text NOT NULL REFERENCES documents,
    PRIMARY KEY (product_id, card_version, position),
    FOREIGN KEY (product_id, card_version) REFERENCES card_versions
);
CREATE INDEX card_documents_by_document ON card_documents (document_id);

-- Who did what to which version: maker and checker stay provable.
CREATE TABLE product_history (
    history_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id    text NOT NULL REFERENCES products,
    card_version  integer NOT NULL,
    move          text NOT NULL,
    to_state      text NOT NULL,
    actor_id      text NOT NULL,
    at            timestamptz NOT NULL
);
CREATE INDEX product_history_by_product ON product_history (product_id, history_id);
CREATE TRIGGER product_history_never_changes BEFORE UPDATE OR DELETE ON product_history
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

CREATE TABLE quotas (
    product_id   text PRIMARY KEY REFERENCES products,
    currency     text NOT NULL,
    total_minor  bigint NOT NULL,
    taken_minor  bigint NOT NULL DEFAULT 0,
    CHECK (taken_minor >= 0),
    CONSTRAINT quota_never_oversold CHECK (taken_minor <= total_minor)
) WITH (fillfactor = 50);  -- the hottest row of a sale: room for updates on its own page

-- Stage -------------------------------------------------------------------------------------------------------

CREATE TABLE showings (
    showing_id             text PRIMARY KEY,
    broadcast_id           text NOT NULL,
    product_id             text NOT NULL,
    card_version           integer NOT NULL,
    disclosure_sha256      text NOT NULL,
    shown_by               text NOT NULL,
    shown_at               timestamptz NOT NULL,
    stream_time_ms         bigint,
    pulled_by              text,
    pulled_at              timestamptz,
    pull_reason            text,
    pulled_stream_time_ms  bigint,
    FOREIGN KEY (product_id, card_version) REFERENCES card_versions,
    CHECK ((pulled_at IS NULL) = (pull_reason IS NULL))
);
CREATE UNIQUE INDEX one_card_on_stage ON showings (broadcast_id) WHERE pulled_at IS NULL;
CREATE INDEX showings_open_by_product ON showings (product_id) WHERE pulled_at IS NULL;

-- Customers and their acknowledgements ------------------------------------------------------------------------

CREATE TABLE customers (
    customer_id           text PRIMARY KEY,
    masked_name           text NOT NULL,
    birth_date            date NOT NULL,
    risk_tolerance        smallint CHECK (risk_tolerance BETWEEN 1 AND 5),
    assessed_at           timestamptz,
    declared_means_minor  bigint CHECK (declared_means_minor > 0),
    means_currency        text,
    updated_at            timestamptz NOT NULL,
    CHECK ((risk_tolerance IS NULL) = (assessed_at IS NULL)),
    CHECK ((declared_means_minor IS NULL) = (means_currency IS NULL))
);

CREATE TABLE acknowledgements (
    acknowledgement_id  text PRIMARY KEY,
    customer_id         text NOT NULL REFERENCES customers,
    broadcast_id        text NOT NULL,
    product_id          text NOT NULL,
    card_version        integer NOT NULL,
    typed_text          text NOT NULL,
    documents           jsonb NOT NULL,      -- [{document_id, sha256}] as they were opened
    disclosure_sha256   text NOT NULL,
    dwell_ms            bigint NOT NULL CHECK (dwell_ms >= 0),
    stream_time_ms      bigint,
    acknowledged_at     timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL,
    FOREIGN KEY (product_id, card_version) REFERENCES card_versions
);
CREATE INDEX acknowledgements_by_customer ON acknowledgements (customer_id, acknowledged_at);
CREATE TRIGGER acknowledgements_never_change BEFORE UPDATE OR DELETE ON acknowledgements
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

-- The first time somebody of 65 or older read the extra disclosure; the wait counts from it.
CREATE TABLE extra_disclosures (
    customer_id         text NOT NULL REFERENCES customers,
    product_id          text NOT NULL,
    card_version        integer NOT NULL,
    acknowledgement_id  text NOT NULL REFERENCES acknowledgements,
    text_sha256         text NOT NULL,
    acknowledged_at     timestamptz NOT NULL,
    PRIMARY KEY (customer_id, product_id, card_version)
);

-- Orders ------------------------------------------------------------------------------------------------------

CREATE TABLE orders (
    order_id            text PRIMARY KEY,
    customer_id         text NOT NULL REFERENCES customers,
    product_id          text NOT NULL,
    card_version        integer NOT NULL,
    broadcast_id        text NOT NULL,
    showing_id          text NOT NULL REFERENCES showings,
    acknowledgement_id  text NOT NULL REFERENCES acknowledgements,
    amount_minor        bigint NOT NULL CHECK (amount_minor > 0),
    currency            text NOT NULL,
    fee_minor           bigint NOT NULL CHECK (fee_minor >= 0 AND fee_minor <= amount_minor),
    state               text NOT NULL CHECK (state IN (
        'acknowledged', 'reserved', 'submitted', 'outcome_unknown', 'accepted', 'confirmed', 'partially_confirmed',
        'confirm_failed', 'holding', 'redeeming', 'redeemed', 'expired', 'cancelled', 'rejected', 'refunded')),
    reserved_until      timestamptz NOT NULL,
    risk_rating         smallint NOT NULL,
    risk_tolerance      smallint NOT NULL,
    stream_time_ms      bigint,
    receipt             jsonb,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    FOREIGN KEY (product_id, card_version) REFERENCES card_versions
);
CREATE INDEX orders_by_customer ON orders (customer_id, order_id DESC);
CREATE INDEX orders_by_product ON orders (product_id, state);
CREATE INDEX orders_due ON orders (reserved_until) WHERE state = 'reserved';

CREATE TABLE order_history (
    order_id        text NOT NULL REFERENCES orders,
    step            integer NOT NULL,
    from_state      text NOT NULL,
    to_state        text NOT NULL,
    actor_id        text NOT NULL,
    reason          text,
    stream_time_ms  bigint,
    at              timestamptz NOT NULL,
    PRIMARY KEY (order_id, step)
);
CREATE TRIGGER order_history_never_changes BEFORE UPDATE OR DELETE ON order_history
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

-- What one customer holds of one product's quota: the per-customer maximum is kept here, under the row's lock.
CREATE TABLE customer_positions (
    customer_id  text NOT NULL,
    product_id   text NOT NULL,
    currency     text NOT NULL,
    taken_minor  bigint NOT NULL CHECK (taken_minor >= 0),
    PRIMARY KEY (customer_id, product_id)
);

-- An unanswered row is only ever seen by the transaction that holds it: others wait on the key.
CREATE TABLE idempotency_keys (
    customer_id  text NOT NULL,
    operation    text NOT NULL,
    key          text NOT NULL,
    body_sha256  bytea NOT NULL,
    answer       jsonb,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (customer_id, operation, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Ledger: money and applause points ---------------------------------------------------------------------------

CREATE TABLE ledger_accounts (
    ledger_account_id  text PRIMARY KEY,
    owner_id           text NOT NULL,
    kind               text NOT NULL CHECK (kind IN (
        'money_external', 'money_available', 'money_frozen',
        'points_granted', 'points_held', 'points_spent', 'points_expired')),
    unit               text NOT NULL,        -- an ISO 4217 code, or POINTS
    balance            bigint NOT NULL DEFAULT 0,
    UNIQUE (owner_id, kind, unit),
    -- Only the other side of what came from outside may be negative.
    CONSTRAINT ledger_never_overdrawn CHECK (balance >= 0 OR kind IN ('money_external', 'points_granted')),
    CHECK ((unit = 'POINTS') = (kind LIKE 'points_%'))
);

CREATE TABLE ledger_transfers (
    transfer_id   text PRIMARY KEY,
    kind          text NOT NULL,
    reference_id  text NOT NULL,
    at            timestamptz NOT NULL
);
CREATE INDEX ledger_transfers_by_reference ON ledger_transfers (reference_id);

CREATE TABLE ledger_entries (
    entry_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transfer_id        text NOT NULL REFERENCES ledger_transfers,
    ledger_account_id  text NOT NULL REFERENCES ledger_accounts,
    amount             bigint NOT NULL CHECK (amount <> 0)
);
CREATE INDEX ledger_entries_by_transfer ON ledger_entries (transfer_id);
CREATE INDEX ledger_entries_by_account ON ledger_entries (ledger_account_id, entry_id);

CREATE FUNCTION ledger_apply_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger_accounts SET balance = balance + NEW.amount WHERE ledger_account_id = NEW.ledger_account_id;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_entries_move_balances AFTER INSERT ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION ledger_apply_entry();

-- Double entry: at commit every transfer has entries, and they sum to zero in each unit.
CREATE FUNCTION ledger_check_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM ledger_entries WHERE transfer_id = NEW.transfer_id) THEN
        RAISE EXCEPTION 'transfer % has no entries', NEW.transfer_id USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (
        SELECT 1 FROM ledger_entries e JOIN ledger_accounts a USING (ledger_account_id)
        WHERE e.transfer_id = NEW.transfer_id GROUP BY a.unit HAVING sum(e.amount) <> 0
    ) THEN
        RAISE EXCEPTION 'transfer % does not sum to zero', NEW.transfer_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_transfer_balances AFTER INSERT ON ledger_transfers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_transfer();
CREATE CONSTRAINT TRIGGER ledger_entry_balances AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_transfer();
CREATE TRIGGER ledger_transfers_never_change BEFORE UPDATE OR DELETE ON ledger_transfers
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();
CREATE TRIGGER ledger_entries_never_change BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

-- Applause points ---------------------------------------------------------------------------------------------

CREATE TABLE point_grants (
    grant_id     text PRIMARY KEY,
    customer_id  text NOT NULL REFERENCES customers,
    points       bigint NOT NULL CHECK (points > 0),
    left_points  bigint NOT NULL CHECK (left_points BETWEEN 0 AND points),
    reason       text NOT NULL,
    granted_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX point_grants_left ON point_grants (customer_id, expires_at, grant_id) WHERE left_points > 0;
CREATE INDEX point_grants_due ON point_grants (expires_at) WHERE left_points > 0;

CREATE TABLE tips (
    tip_id          text PRIMARY KEY,
    customer_id     text NOT NULL REFERENCES customers,
    broadcast_id    text NOT NULL,
    points          bigint NOT NULL CHECK (points > 0),
    business_date   date NOT NULL,
    stream_time_ms  bigint,
    at              timestamptz NOT NULL
);
CREATE INDEX tips_by_day ON tips (customer_id, business_date);
CREATE TRIGGER tips_never_change BEFORE UPDATE OR DELETE ON tips
    FOR EACH ROW EXECUTE FUNCTION commerce_append_only();

-- Facts on their way to the rooms; a row is gone once its reader has taken it. -----------------------------------

CREATE TABLE commerce_outbox (
    fact_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL,
    broadcast_id  text NOT NULL,
    account_id    text,                      -- set: to this person's connections only
    payload       jsonb NOT NULL,
    at            timestamptz NOT NULL
);

-- migrate:down

DROP TABLE commerce_outbox, tips, point_grants, ledger_entries, ledger_transfers, ledger_accounts, idempotency_keys,
    customer_positions, order_history, orders, extra_disclosures, acknowledgements, customers, showings, quotas,
    product_history, card_documents, documents, card_versions, products;
DROP FUNCTION ledger_check_transfer, ledger_apply_entry, commerce_append_only;
