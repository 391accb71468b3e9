-- Items that turn out to be one thing, and stubs that wait for a person.

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
