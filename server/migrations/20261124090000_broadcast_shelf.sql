-- migrate:up

-- The shelf: which products may be featured in a broadcast. It is part of what is approved, so it stands in the
-- broadcast's row and its edits void the approval; the history keeps the shelf as it was after each move.
ALTER TABLE broadcasts ADD COLUMN product_ids text[] NOT NULL DEFAULT '{}';
ALTER TABLE broadcast_history ADD COLUMN product_ids text[];
-- What was approved before there were shelves was approved for every product on sale.
UPDATE broadcasts SET product_ids = coalesce(
    (SELECT array_agg(product_id ORDER BY product_id) FROM products WHERE approved_version IS NOT NULL), '{}')
WHERE state IN ('approved', 'scheduled', 'rehearsal', 'live', 'paused');

-- migrate:down

ALTER TABLE broadcast_history DROP COLUMN product_ids;
ALTER TABLE broadcasts DROP COLUMN product_ids;
