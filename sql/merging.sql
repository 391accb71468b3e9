-- Merges of items, and stubs that wait for review.

-- lock_merges --
-- Blocks other merges and imports until the end of the transaction. SQLite's single writer needs no lock.
SELECT 1 AS locked;

-- try_to_lock_merges --
-- Takes the lock without waiting, and returns whether it was taken.
SELECT 1 AS locked;

-- move_barcodes --
-- Moves every barcode to another item; the primary one stays primary if the other item has none.
UPDATE barcode
   SET item_id = :target_id,
       is_primary = is_primary AND NOT EXISTS (SELECT 1 FROM barcode AS other
                                                WHERE other.item_id = :target_id AND other.is_primary)
 WHERE item_id = :source_id;

-- return_barcode --
-- Moves a barcode back, unless it was moved elsewhere since.
UPDATE barcode
   SET item_id = :source_id, is_primary = :is_primary
 WHERE code = :code AND item_id = :target_id;

-- list_items_merged_into --
-- The items merged into an item before.
SELECT id
  FROM item
 WHERE merged_into_id = :target_id
 ORDER BY id;

-- mark_merged --
-- Marks an item, and those merged into it before, as merged.
UPDATE item
   SET merged_into_id = :target_id, is_active = FALSE, version = version + 1, updated_at = :moment
 WHERE id = :source_id OR merged_into_id = :source_id;

-- mark_unmerged --
-- Separates an item again.
UPDATE item
   SET merged_into_id = NULL, is_active = TRUE, version = version + 1, updated_at = :moment
 WHERE id = :source_id;

-- return_merged --
-- Items that had been merged into an item are merged into it again.
UPDATE item
   SET merged_into_id = :source_id, version = version + 1, updated_at = :moment
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_active_sku_ids --
-- The SKUs of an item, including empty ones, excluding hidden ones.
SELECT id
  FROM sku
 WHERE item_id = :item_id AND is_active
 ORDER BY id;

-- show_skus --
-- Shows the SKUs :ids of an item again, including empty ones.
UPDATE sku
   SET is_active = TRUE, version = version + 1, updated_at = :moment
 WHERE item_id = :item_id AND NOT is_active
   AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- hide_unused_skus --
-- Hides empty SKUs that the batch :batch_id gave an item and that are not among :ids, its SKUs before.
-- An event booked :since that is not undone keeps a SKU.
UPDATE sku
   SET is_active = FALSE, version = version + 1, updated_at = :moment
 WHERE item_id = :item_id AND is_active AND quantity_milli = 0
   AND id IN (SELECT given.sku_id FROM stock_event AS given WHERE given.batch_id = :batch_id)
   AND id NOT IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
   AND NOT EXISTS (SELECT 1 FROM stock_event AS event
                    WHERE event.item_id = sku.item_id AND event.sku_id = sku.id AND event.recorded_at >= :since
                      AND event.kind <> 'undo'
                      AND NOT EXISTS (SELECT 1 FROM stock_event AS undoing WHERE undoing.reverses_id = event.id));

-- add_merge --
-- Stores a merge.
INSERT INTO item_merge (source_id, target_id, batch_id, moved, user_id, merged_at)
VALUES (:source_id, :target_id, :batch_id, :moved, :user_id, :merged_at)
RETURNING id;

-- find_open_merge --
-- The merge of an item that has not been undone.
SELECT id, source_id, target_id, batch_id, moved AS moved_json, user_id, merged_at, undone_at
  FROM item_merge
 WHERE source_id = :source_id AND undone_at IS NULL;

-- end_merge --
-- Marks a merge as undone.
UPDATE item_merge
   SET undone_at = :undone_at
 WHERE id = :id;

-- list_merges --
-- The merges of an item, into another and of others into it, newest first.
SELECT item_merge.id, item_merge.source_id, item_merge.target_id, source.name AS source_name,
       target.name AS target_name, item_merge.batch_id, item_merge.user_id, item_merge.merged_at, item_merge.undone_at
  FROM item_merge
  JOIN item AS source ON source.id = item_merge.source_id
  JOIN item AS target ON target.id = item_merge.target_id
 WHERE item_merge.source_id = :item_id OR item_merge.target_id = :item_id
 ORDER BY /* sort: id = item_merge.id; merged_at = item_merge.merged_at */ item_merge.id DESC
 LIMIT :limit OFFSET :skip;

-- list_stubs --
-- Items that are not named yet, the last scanned first.
SELECT item.id AS item_id, count(event.id) AS event_count,
       count(CASE WHEN event.kind <> 'undo' THEN 1 END) AS scan_count, max(event.id) AS last_event_id,
       max(event.occurred_at) AS last_seen
  FROM item LEFT JOIN stock_event AS event ON event.item_id = item.id
 WHERE item.needs_review AND item.is_active
 GROUP BY item.id
 ORDER BY /* sort: last_event_id = coalesce(max(event.id), 0); event_count = count(event.id) */
          coalesce(max(event.id), 0) DESC, item.id DESC
 LIMIT :limit OFFSET :skip;

-- find_stub --
-- One of them; no row once it is named, merged or hidden.
SELECT item.id AS item_id, count(event.id) AS event_count,
       count(CASE WHEN event.kind <> 'undo' THEN 1 END) AS scan_count, max(event.id) AS last_event_id,
       max(event.occurred_at) AS last_seen
  FROM item LEFT JOIN stock_event AS event ON event.item_id = item.id
 WHERE item.id = :item_id AND item.needs_review AND item.is_active
 GROUP BY item.id;

-- list_same_barcodes --
-- Barcodes that turned out to be another one, in the order of their ids.
SELECT barcode.code AS barcode, barcode.item_id, item.name AS item_name, other.code AS same_barcode,
       other.item_id AS same_item_id, other_item.name AS same_item_name
  FROM barcode
  JOIN barcode AS other ON other.code_key = barcode.shared_key
  JOIN item ON item.id = barcode.item_id
  JOIN item AS other_item ON other_item.id = other.item_id
 WHERE barcode.shared_key IS NOT NULL
 ORDER BY /* sort: barcode = barcode.code; item_id = barcode.item_id; item_name = lower(item.name) */
          barcode.id
 LIMIT :limit OFFSET :skip;

-- lock_lists_of_item --
-- Locks the lists that have an item until the end of the transaction. SQLite's single writer needs no lock.
SELECT id
  FROM shopping_list
 WHERE id IN (SELECT list_id FROM shopping_list_entry WHERE item_id = :item_id)
 ORDER BY id;

-- list_list_entries_of_item --
-- The list entries of an item, with the other item's quantity on the same list.
SELECT source.list_id AS parent_id, source.quantity_milli, source.created_at,
       target.quantity_milli AS into_milli
  FROM shopping_list_entry AS source
  LEFT JOIN shopping_list_entry AS target ON target.list_id = source.list_id AND target.item_id = :target_id
 WHERE source.item_id = :source_id
 ORDER BY source.list_id;

-- fold_list_entries --
-- Where both items have an entry, adds the source's quantity to the target's.
UPDATE shopping_list_entry
   SET quantity_milli = quantity_milli + (SELECT source.quantity_milli FROM shopping_list_entry AS source
                                           WHERE source.list_id = shopping_list_entry.list_id
                                             AND source.item_id = :source_id),
       updated_at = :moment
 WHERE item_id = :target_id
   AND list_id IN (SELECT source.list_id FROM shopping_list_entry AS source WHERE source.item_id = :source_id);

-- remove_folded_list_entries --
-- Removes the source's entries that were added to the target's.
DELETE FROM shopping_list_entry
 WHERE item_id = :source_id
   AND list_id IN (SELECT target.list_id FROM shopping_list_entry AS target WHERE target.item_id = :target_id);

-- move_list_entries --
-- Moves the remaining entries to the target, with the time of the merge.
UPDATE shopping_list_entry
   SET item_id = :target_id, created_at = :moment, updated_at = :moment
 WHERE item_id = :source_id;

-- unfold_list_entry --
-- Subtracts the moved quantity from the target's entry, if more than that is left.
UPDATE shopping_list_entry
   SET quantity_milli = quantity_milli - :milli, updated_at = :moment
 WHERE list_id = :parent_id AND item_id = :target_id AND created_at <= :merged_at AND quantity_milli > :milli
RETURNING quantity_milli;

-- put_back_list_entry --
-- Adds the source's entry again.
INSERT INTO shopping_list_entry (list_id, item_id, quantity_milli, created_at, updated_at)
VALUES (:parent_id, :source_id, :quantity_milli, :created_at, :moment);

-- return_list_entry --
-- Moves the target's entry to the source, with its time :created_at if known.
UPDATE shopping_list_entry
   SET item_id = :source_id, created_at = coalesce(:created_at, created_at), updated_at = :moment
 WHERE list_id = :parent_id AND item_id = :target_id AND created_at <= :merged_at
RETURNING quantity_milli;

-- list_project_entries_of_item --
-- The project entries of an item, with the other item's quantity in the same project.
SELECT source.project_id AS parent_id, source.quantity_milli, source.created_at,
       target.quantity_milli AS into_milli
  FROM project_entry AS source
  LEFT JOIN project_entry AS target ON target.project_id = source.project_id AND target.item_id = :target_id
 WHERE source.item_id = :source_id
 ORDER BY source.project_id;

-- fold_project_entries --
-- Where both items have an entry, adds the source's quantity to the target's.
UPDATE project_entry
   SET quantity_milli = quantity_milli + (SELECT source.quantity_milli FROM project_entry AS source
                                           WHERE source.project_id = project_entry.project_id
                                             AND source.item_id = :source_id),
       updated_at = :moment
 WHERE item_id = :target_id
   AND project_id IN (SELECT source.project_id FROM project_entry AS source WHERE source.item_id = :source_id);

-- remove_folded_project_entries --
-- Removes the source's entries that were added to the target's.
DELETE FROM project_entry
 WHERE item_id = :source_id
   AND project_id IN (SELECT target.project_id FROM project_entry AS target WHERE target.item_id = :target_id);

-- move_project_entries --
-- Moves the remaining entries to the target, with the time of the merge.
UPDATE project_entry
   SET item_id = :target_id, created_at = :moment, updated_at = :moment
 WHERE item_id = :source_id;

-- unfold_project_entry --
-- Subtracts the moved quantity from the target's entry, if more than that is left.
UPDATE project_entry
   SET quantity_milli = quantity_milli - :milli, updated_at = :moment
 WHERE project_id = :parent_id AND item_id = :target_id AND created_at <= :merged_at AND quantity_milli > :milli;

-- put_back_project_entry --
-- Adds the source's entry again.
INSERT INTO project_entry (project_id, item_id, quantity_milli, created_at, updated_at)
VALUES (:parent_id, :source_id, :quantity_milli, :created_at, :moment);

-- return_project_entry --
-- Moves the target's entry to the source, with its time :created_at if known.
UPDATE project_entry
   SET item_id = :source_id, created_at = coalesce(:created_at, created_at), updated_at = :moment
 WHERE project_id = :parent_id AND item_id = :target_id AND created_at <= :merged_at;

-- move_documents --
-- Moves the documents of an item to another.
UPDATE document
   SET item_id = :target_id, updated_at = :moment
 WHERE item_id = :source_id
RETURNING id;

-- move_image --
-- Sets the picture :document_id of an item without one.
UPDATE item
   SET image_document_id = :document_id
 WHERE id = :target_id AND image_document_id IS NULL;

-- drop_image --
-- Clears the picture of an item if it is one of the documents :ids.
UPDATE item
   SET image_document_id = NULL
 WHERE id = :item_id AND image_document_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- return_documents --
-- Moves the documents :ids that still exist back.
UPDATE document
   SET item_id = :source_id, updated_at = :moment
 WHERE item_id = :target_id AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- return_image --
-- Sets the picture of an item again, if it still exists.
UPDATE item
   SET image_document_id = :document_id
 WHERE id = :source_id
   AND EXISTS (SELECT 1 FROM document WHERE document.id = :document_id AND document.item_id = :source_id);
