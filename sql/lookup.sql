-- Looking up what barcodes are.

-- find_waiting --
-- The first and the last stub that nobody has asked about, while no job is about to.
SELECT min(id) AS first, max(id) AS last
  FROM item
 WHERE needs_review AND NOT uda_fetch_attempted AND is_active
   AND NOT EXISTS (SELECT 1 FROM job WHERE kind LIKE 'lookup.%' AND status IN ('queued', 'running'))
HAVING count(*) > 0;

-- find_next_stub --
-- The next stub above :after that nobody has asked about.
SELECT id
  FROM item
 WHERE needs_review AND NOT uda_fetch_attempted AND is_active AND id > :after
 ORDER BY id
 LIMIT 1;

-- find_next_without_data --
-- The next item above :after with a barcode of which nothing was found yet.
SELECT id
  FROM item
 WHERE NOT uda_fetched AND is_active AND id > :after
   AND EXISTS (SELECT 1 FROM barcode WHERE barcode.item_id = item.id)
 ORDER BY id
 LIMIT 1;

-- find_open_job --
-- A job of this kind that waits or runs.
SELECT id
  FROM job
 WHERE kind = :kind AND status IN ('queued', 'running')
 ORDER BY id
 LIMIT 1;

-- note_look_up --
-- It was asked about, and nothing was found.
UPDATE item
   SET uda_fetch_attempted = TRUE, version = version + 1, updated_at = :updated_at
 WHERE id = :id AND NOT uda_fetch_attempted;

-- keep_product --
-- What was found. Only a stub that still has the name it was made with gets that of the product.
UPDATE item
   SET uda_fetched = TRUE, uda_fetch_attempted = TRUE, upc_data = :upc_data,
       name = CASE WHEN needs_review AND name IN (SELECT 'Unknown ' || barcode.code FROM barcode
                                                   WHERE barcode.item_id = item.id)
                   THEN coalesce(CAST(:name AS TEXT), name) ELSE name END,
       version = version + 1, updated_at = :updated_at
 WHERE id = :id;
