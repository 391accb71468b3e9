-- Checks that the ledger and everything derived from it agree.

-- list_ledger_rows --
-- The columns that checking the sums needs, of the :limit rows of the ledger after :after, in order.
SELECT id, kind, sku_id, delta_milli, quantity_after_milli, transfer_id, unit_scale
  FROM stock_event
 WHERE id > :after
 ORDER BY id
 LIMIT :limit;

-- list_sku_quantities --
-- The quantities of the :limit SKUs after :after.
SELECT id, quantity_milli
  FROM sku
 WHERE id > :after
 ORDER BY id
 LIMIT :limit;

-- find_sum_fault --
-- The SKU :sku_id, if its quantity is not the sum of its events.
SELECT sku.id, sku.quantity_milli, CAST(coalesce(sum(event.delta_milli), 0) AS BIGINT) AS sum_milli
  FROM sku LEFT JOIN stock_event AS event ON event.sku_id = sku.id AND event.item_id = sku.item_id
 WHERE sku.id = :sku_id
 GROUP BY sku.id, sku.quantity_milli
HAVING sku.quantity_milli <> coalesce(sum(event.delta_milli), 0);

-- find_running_fault --
-- The first row of the SKU :sku_id whose quantity_after is not the sum of the rows up to it.
SELECT id, quantity_after_milli, running_milli
  FROM (SELECT event.id, event.quantity_after_milli,
               CAST(sum(event.delta_milli) OVER (ORDER BY event.id) AS BIGINT) AS running_milli
          FROM stock_event AS event JOIN sku ON sku.id = event.sku_id AND sku.item_id = event.item_id
         WHERE sku.id = :sku_id) AS running
 WHERE quantity_after_milli <> running_milli
 ORDER BY id
 LIMIT 1;

-- find_transfer_fault --
-- The sum of the sides of the move :transfer_id, each in the smaller unit of the two, if it is not 0.
SELECT CAST(sum(CAST(delta_milli AS NUMERIC) * coalesce(unit_scale, 1)) AS DOUBLE PRECISION) AS sum_milli
  FROM stock_event
 WHERE transfer_id = :transfer_id AND kind = 'move'
HAVING sum(CAST(delta_milli AS NUMERIC) * coalesce(unit_scale, 1)) <> 0;

-- list_reversal_faults --
-- Undo events that do not mirror the event they undo.
SELECT reversal.id, original.id AS original_id, reversal.delta_milli, original.delta_milli AS original_delta_milli
  FROM stock_event AS reversal JOIN stock_event AS original ON original.id = reversal.reverses_id
 WHERE reversal.reverses_id IS NOT NULL
   AND (reversal.delta_milli <> -original.delta_milli OR reversal.sku_id <> original.sku_id
        OR reversal.kind <> 'undo' OR original.kind = 'undo')
 ORDER BY reversal.id
 LIMIT :limit;

-- list_merge_faults --
-- Merged items that still have rows of their own, or whose target was merged itself.
SELECT item.id,
       CASE WHEN target.merged_into_id IS NOT NULL THEN 'leads to an item that was merged itself'
            WHEN item.is_active THEN 'is in use all the same'
            WHEN EXISTS (SELECT 1 FROM barcode WHERE barcode.item_id = item.id) THEN 'still has a barcode'
            WHEN EXISTS (SELECT 1 FROM document WHERE document.item_id = item.id) THEN 'still has a document'
            WHEN EXISTS (SELECT 1 FROM shopping_list_entry AS entry WHERE entry.item_id = item.id)
            THEN 'still stands on a shopping list'
            WHEN EXISTS (SELECT 1 FROM project_entry AS entry WHERE entry.item_id = item.id)
            THEN 'still stands on a project'
            ELSE 'still holds stock' END AS fault
  FROM item JOIN item AS target ON target.id = item.merged_into_id
 WHERE target.merged_into_id IS NOT NULL
    OR item.is_active
    OR EXISTS (SELECT 1 FROM barcode WHERE barcode.item_id = item.id)
    OR EXISTS (SELECT 1 FROM document WHERE document.item_id = item.id)
    OR EXISTS (SELECT 1 FROM shopping_list_entry AS entry WHERE entry.item_id = item.id)
    OR EXISTS (SELECT 1 FROM project_entry AS entry WHERE entry.item_id = item.id)
    OR EXISTS (SELECT 1 FROM sku WHERE sku.item_id = item.id AND sku.quantity_milli <> 0)
 ORDER BY item.id
 LIMIT :limit;

-- list_journal_faults --
-- Merges not undone whose item is not merged, or is merged into another item.
SELECT made.source_id, made.target_id
  FROM item_merge AS made
  JOIN item AS source ON source.id = made.source_id
  JOIN item AS target ON target.id = made.target_id
 WHERE made.undone_at IS NULL
   AND coalesce(source.merged_into_id, 0) <> coalesce(target.merged_into_id, target.id)
 ORDER BY made.source_id
 LIMIT :limit;

-- list_serial_faults --
-- Serial numbers of an item that are in stock at several places; that each is one piece is a check of the table.
SELECT item_id, serial, count(*) AS places
  FROM sku
 WHERE serial <> '' AND quantity_milli <> 0
 GROUP BY item_id, serial
HAVING count(*) > 1
 ORDER BY item_id, serial
 LIMIT :limit;

-- list_location_faults --
-- Locations that are in themselves, in a hidden one or a person, or whose path is not that of the names above them; boxes without
-- a location.
WITH RECURSIVE placed (id, path, path_key) AS (
    SELECT id, step, step_key FROM location_step WHERE parent_id IS NULL
    UNION ALL
    SELECT child.id, placed.path || ' / ' || child.step, placed.path_key || ' / ' || child.step_key
      FROM placed JOIN location_step AS child ON child.parent_id = placed.id
)
SELECT message
  FROM (SELECT 'location ' || CAST(location.id AS TEXT)
               || CASE WHEN placed.id IS NULL THEN ' is in itself' ELSE ' is at another path than its own' END AS message
          FROM location LEFT JOIN placed ON placed.id = location.id
         WHERE location.path IS NULL OR placed.path IS NULL OR location.path <> placed.path
            OR location.path_key <> placed.path_key
        UNION ALL
        SELECT 'location ' || CAST(location.id AS TEXT) || ' is in use, and in one that is hidden'
          FROM location JOIN location AS parent ON parent.id = location.parent_id
         WHERE location.is_active AND NOT parent.is_active
        UNION ALL
        SELECT 'location ' || CAST(location.id AS TEXT) || ' is in a person'
          FROM location JOIN location AS parent ON parent.id = location.parent_id
         WHERE location.is_active AND parent.kind = 'person'
        UNION ALL
        SELECT 'box ' || CAST(box.box_no AS TEXT) || ' is no location'
          FROM box
         WHERE NOT EXISTS (SELECT 1 FROM location AS own WHERE own.box_no = box.box_no AND own.loc_no IS NULL)) AS fault
 LIMIT :limit;
