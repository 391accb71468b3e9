-- Looking up the products of barcodes.

-- find_waiting --
-- The first and the last stub not looked up yet, unless a job is queued for them, or one with a key :like was cancelled.
SELECT min(id) AS first, max(id) AS last
  FROM item
 WHERE needs_review AND NOT uda_fetch_attempted AND is_active
   AND NOT EXISTS (SELECT 1 FROM job WHERE kind LIKE 'lookup.%' AND status IN ('queued', 'running'))
   AND NOT EXISTS (SELECT 1 FROM job WHERE kind = 'lookup.stubs' AND status = 'cancelled' AND once_key LIKE :like)
HAVING count(*) > 0;

-- find_next_stub --
-- The next stub above :after that was not looked up yet.
SELECT id
  FROM item
 WHERE needs_review AND NOT uda_fetch_attempted AND is_active AND id > :after
 ORDER BY id
 LIMIT 1;

-- find_next_without_data --
-- The next item above :after with a barcode and without data.
SELECT id
  FROM item
 WHERE NOT uda_fetched AND is_active AND id > :after
   AND EXISTS (SELECT 1 FROM barcode WHERE barcode.item_id = item.id)
 ORDER BY id
 LIMIT 1;

-- find_open_job --
-- A queued or running job of this kind.
SELECT id
  FROM job
 WHERE kind = :kind AND status IN ('queued', 'running')
 ORDER BY id
 LIMIT 1;

-- note_look_up --
-- Marks an item as looked up without a result.
UPDATE item
   SET uda_fetch_attempted = TRUE, version = version + 1, updated_at = :updated_at
 WHERE id = :id AND NOT uda_fetch_attempted;

-- store_product --
-- Stores the product found. Only a stub with its initial name gets the product's name.
UPDATE item
   SET uda_fetched = TRUE, uda_fetch_attempted = TRUE, upc_data = :upc_data,
       name = CASE WHEN needs_review AND name IN (SELECT 'Unknown ' || barcode.code FROM barcode
                                                   WHERE barcode.item_id = item.id)
                   THEN coalesce(CAST(:name AS TEXT), name) ELSE name END,
       version = version + 1, updated_at = :updated_at
 WHERE id = :id;
