-- migrate:up

-- How the customer agreed: by typing the sentence, or, where somebody cannot type, by confirming it part by part.
ALTER TABLE acknowledgements
    ADD COLUMN method text NOT NULL DEFAULT 'typed' CHECK (method IN ('typed', 'steps'));

-- migrate:down

ALTER TABLE acknowledgements DROP COLUMN method;
