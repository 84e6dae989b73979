-- migrate:up

-- What remained of an order's foreign keys: each looked up, and locked row by row, what its own transaction had just
-- read (the acknowledgement, which a trigger keeps from ever changing or going) or held locked (the customer). Together
-- they were a quarter of an order's cost in a group; `audit` looks for orders that name nothing.
ALTER TABLE orders
    DROP CONSTRAINT orders_customer_id_fkey,
    DROP CONSTRAINT orders_acknowledgement_id_fkey;

-- A product's orders are looked for once they are handed in; a reservation that is not is found by its time.
CREATE INDEX orders_sold_by_product ON orders (product_id, state) WHERE state <> 'reserved';
DROP INDEX orders_by_product;

-- migrate:down

CREATE INDEX orders_by_product ON orders (product_id, state);
DROP INDEX orders_sold_by_product;
ALTER TABLE orders
    ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers,
    ADD CONSTRAINT orders_acknowledgement_id_fkey FOREIGN KEY (acknowledgement_id) REFERENCES acknowledgements;
