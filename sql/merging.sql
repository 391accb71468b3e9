-- Items that turn out to be one thing, and stubs that wait for a person.

-- lock_merges --
-- Nothing else is merged, given back or imported until the end of the transaction. SQLite's one writer needs no lock.
SELECT 1 AS locked;

-- try_to_lock_merges --
-- The same, and says whether it is so, where nobody else has it.
SELECT 1 AS locked;

-- move_barcodes --
-- Every barcode of an item becomes another's; its first stays the first where the other has none.
UPDATE barcode
   SET item_id = :target_id,
       is_primary = is_primary AND NOT EXISTS (SELECT 1 FROM barcode AS other
                                                WHERE other.item_id = :target_id AND other.is_primary)
 WHERE item_id = :source_id;

-- return_barcode --
-- A barcode goes back, unless it was given away since.
UPDATE barcode
   SET item_id = :source_id, is_primary = :is_primary
 WHERE code = :code AND item_id = :target_id;

-- list_items_merged_into --
-- What was merged into an item before.
SELECT id
  FROM item
 WHERE merged_into_id = :target_id
 ORDER BY id;

-- mark_merged --
-- An item is another from now on, and what was merged into it before is, too.
UPDATE item
   SET merged_into_id = :target_id, is_active = FALSE, version = version + 1, updated_at = :moment
 WHERE id = :source_id OR merged_into_id = :source_id;

-- mark_unmerged --
-- An item is itself again.
UPDATE item
   SET merged_into_id = NULL, is_active = TRUE, version = version + 1, updated_at = :moment
 WHERE id = :source_id;

-- return_merged --
-- What had been merged into an item is that item's again.
UPDATE item
   SET merged_into_id = :source_id, version = version + 1, updated_at = :moment
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_sku_ids --
-- The SKUs of an item, empty ones included and hidden ones not.
SELECT id
  FROM sku
 WHERE item_id = :item_id AND is_active
 ORDER BY id;

-- show_skus --
-- The SKUs :ids of an item are there again, also where they hold nothing.
UPDATE sku
   SET is_active = TRUE, version = version + 1, updated_at = :moment
 WHERE item_id = :item_id AND NOT is_active
   AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- hide_unused_skus --
-- What an item has been given by the batch :batch_id and had not, which was :ids, it no longer has where it is empty.
-- What was booked there :since and is not undone keeps it.
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
-- What moved, and when.
INSERT INTO item_merge (source_id, target_id, batch_id, moved, user_id, merged_at)
VALUES (:source_id, :target_id, :batch_id, :moved, :user_id, :merged_at)
RETURNING id;

-- find_open_merge --
-- The merge of an item that has not been undone.
SELECT id, source_id, target_id, batch_id, moved AS moved_json, user_id, merged_at, undone_at
  FROM item_merge
 WHERE source_id = :source_id AND undone_at IS NULL;

-- end_merge --
-- It was undone.
UPDATE item_merge
   SET undone_at = :undone_at
 WHERE id = :id;

-- list_merges --
-- What an item was merged into, and what was merged into it, newest first.
SELECT item_merge.id, item_merge.source_id, item_merge.target_id, source.name AS source_name,
       target.name AS target_name, item_merge.batch_id, item_merge.user_id, item_merge.merged_at, item_merge.undone_at
  FROM item_merge
  JOIN item AS source ON source.id = item_merge.source_id
  JOIN item AS target ON target.id = item_merge.target_id
 WHERE item_merge.source_id = :item_id OR item_merge.target_id = :item_id
 ORDER BY item_merge.id DESC
 LIMIT :limit OFFSET :skip;

-- list_stubs --
-- Items that nobody has named yet, by what was scanned last.
SELECT item.id AS item_id, count(event.id) AS event_count, max(event.id) AS last_event_id,
       max(event.occurred_at) AS last_seen
  FROM item LEFT JOIN stock_event AS event ON event.item_id = item.id
 WHERE item.needs_review AND item.is_active
 GROUP BY item.id
 ORDER BY coalesce(max(event.id), 0) DESC, item.id DESC
 LIMIT :limit OFFSET :skip;

-- lock_lists_of_item --
-- Keeps the lists that an item stands on as they are until the end of the transaction. SQLite's one writer needs no lock.
SELECT id
  FROM shopping_list
 WHERE id IN (SELECT list_id FROM shopping_list_entry WHERE item_id = :item_id)
 ORDER BY id;

-- list_list_entries_of_item --
-- Where an item stands on lists, and with how much the other item stands there too.
SELECT source.list_id AS parent_id, source.quantity_milli, source.created_at,
       target.quantity_milli AS into_milli
  FROM shopping_list_entry AS source
  LEFT JOIN shopping_list_entry AS target ON target.list_id = source.list_id AND target.item_id = :target_id
 WHERE source.item_id = :source_id
 ORDER BY source.list_id;

-- fold_list_entries --
-- Where both items stand, the one entry is for the quantities of both.
UPDATE shopping_list_entry
   SET quantity_milli = quantity_milli + (SELECT source.quantity_milli FROM shopping_list_entry AS source
                                           WHERE source.list_id = shopping_list_entry.list_id
                                             AND source.item_id = :source_id),
       updated_at = :moment
 WHERE item_id = :target_id
   AND list_id IN (SELECT source.list_id FROM shopping_list_entry AS source WHERE source.item_id = :source_id);

-- remove_folded_list_entries --
-- What the other's entry stands for now.
DELETE FROM shopping_list_entry
 WHERE item_id = :source_id
   AND list_id IN (SELECT target.list_id FROM shopping_list_entry AS target WHERE target.item_id = :target_id);

-- move_list_entries --
-- What is left becomes the other item's, which stands there since now.
UPDATE shopping_list_entry
   SET item_id = :target_id, created_at = :moment, updated_at = :moment
 WHERE item_id = :source_id;

-- unfold_list_entry --
-- What was brought is taken off the other's entry, where more than that is still there.
UPDATE shopping_list_entry
   SET quantity_milli = quantity_milli - :milli, updated_at = :moment
 WHERE list_id = :parent_id AND item_id = :target_id AND created_at <= :merged_at AND quantity_milli > :milli
RETURNING quantity_milli;

-- put_back_list_entry --
-- And stands on its own again.
INSERT INTO shopping_list_entry (list_id, item_id, quantity_milli, created_at, updated_at)
VALUES (:parent_id, :source_id, :quantity_milli, :created_at, :moment);

-- return_list_entry --
-- Where no more is there, all of it is the source's, which stands there since :created_at if that is known.
UPDATE shopping_list_entry
   SET item_id = :source_id, created_at = coalesce(:created_at, created_at), updated_at = :moment
 WHERE list_id = :parent_id AND item_id = :target_id AND created_at <= :merged_at
RETURNING quantity_milli;

-- list_project_entries_of_item --
-- Where an item stands on projects, and with how much the other item stands there too.
SELECT source.project_id AS parent_id, source.quantity_milli, source.created_at,
       target.quantity_milli AS into_milli
  FROM project_entry AS source
  LEFT JOIN project_entry AS target ON target.project_id = source.project_id AND target.item_id = :target_id
 WHERE source.item_id = :source_id
 ORDER BY source.project_id;

-- fold_project_entries --
-- Where both items stand, the one entry is for the quantities of both.
UPDATE project_entry
   SET quantity_milli = quantity_milli + (SELECT source.quantity_milli FROM project_entry AS source
                                           WHERE source.project_id = project_entry.project_id
                                             AND source.item_id = :source_id),
       updated_at = :moment
 WHERE item_id = :target_id
   AND project_id IN (SELECT source.project_id FROM project_entry AS source WHERE source.item_id = :source_id);

-- remove_folded_project_entries --
-- What the other's entry stands for now.
DELETE FROM project_entry
 WHERE item_id = :source_id
   AND project_id IN (SELECT target.project_id FROM project_entry AS target WHERE target.item_id = :target_id);

-- move_project_entries --
-- What is left becomes the other item's, which stands there since now.
UPDATE project_entry
   SET item_id = :target_id, created_at = :moment, updated_at = :moment
 WHERE item_id = :source_id;

-- unfold_project_entry --
-- What was brought is taken off the other's entry, where more than that is still there.
UPDATE project_entry
   SET quantity_milli = quantity_milli - :milli, updated_at = :moment
 WHERE project_id = :parent_id AND item_id = :target_id AND created_at <= :merged_at AND quantity_milli > :milli;

-- put_back_project_entry --
-- And stands on its own again.
INSERT INTO project_entry (project_id, item_id, quantity_milli, created_at, updated_at)
VALUES (:parent_id, :source_id, :quantity_milli, :created_at, :moment);

-- return_project_entry --
-- Where no more is there, all of it is the source's, which stands there since :created_at if that is known.
UPDATE project_entry
   SET item_id = :source_id, created_at = coalesce(:created_at, created_at), updated_at = :moment
 WHERE project_id = :parent_id AND item_id = :target_id AND created_at <= :merged_at;

-- move_documents --
-- An item's documents become another's.
UPDATE document
   SET item_id = :target_id, updated_at = :moment
 WHERE item_id = :source_id
RETURNING id;

-- move_image --
-- An item without a picture takes over the picture :document_id.
UPDATE item
   SET image_document_id = :document_id
 WHERE id = :target_id AND image_document_id IS NULL;

-- drop_image --
-- An item no longer has one of the documents :ids as its picture.
UPDATE item
   SET image_document_id = NULL
 WHERE id = :item_id AND image_document_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- return_documents --
-- Of the documents :ids, those that are still there go back.
UPDATE document
   SET item_id = :source_id, updated_at = :moment
 WHERE item_id = :target_id AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- return_image --
-- An item has its picture again, as far as that is still there.
UPDATE item
   SET image_document_id = :document_id
 WHERE id = :source_id
   AND EXISTS (SELECT 1 FROM document WHERE document.id = :document_id AND document.item_id = :source_id);
