-- migrate:up

-- Names and birth dates are sealed by the program (`commerce/envelopes.py`). Rows of the version before are read as they
-- are until `./run rotate-keys` seals them; it also empties the plain columns, which go once no old version runs.
ALTER TABLE customers
    ADD COLUMN personal bytea,
    ADD COLUMN relationship_manager_id text,
    ADD COLUMN branch text,
    ADD COLUMN questionnaire_version text,  -- what the level was found with; NULL: by the bank
    ALTER COLUMN masked_name DROP NOT NULL,
    ALTER COLUMN birth_date DROP NOT NULL,
    ADD CONSTRAINT customers_personal CHECK (personal IS NOT NULL OR (masked_name IS NOT NULL AND birth_date IS NOT NULL));
-- A customer's own name; staff are named to everybody and stay as they are.
ALTER TABLE accounts
    ADD COLUMN sealed_name bytea,
    ADD CONSTRAINT accounts_only_customers_are_sealed CHECK (sealed_name IS NULL OR role = 'viewer');

-- migrate:down

ALTER TABLE accounts DROP CONSTRAINT accounts_only_customers_are_sealed, DROP COLUMN sealed_name;
ALTER TABLE customers
    DROP CONSTRAINT customers_personal,
    DROP COLUMN questionnaire_version,
    DROP COLUMN branch,
    DROP COLUMN relationship_manager_id,
    DROP COLUMN personal;
