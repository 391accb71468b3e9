-- Shopping lists, their entries, and their log.

-- add_shopping_list --
-- A new list.
INSERT INTO shopping_list (name, is_public, creator_id, created_at, updated_at)
VALUES (:name, :is_public, :creator_id, :created_at, :created_at)
RETURNING id;

-- change_shopping_list --
-- Changes a list.
UPDATE shopping_list
   SET name = :name, is_public = :is_public, updated_at = :updated_at
 WHERE id = :id;

-- touch_shopping_list --
-- Sets the time of the last change of a list.
UPDATE shopping_list
   SET updated_at = :updated_at
 WHERE id = :id;

-- hide_shopping_list --
-- Hides a deleted list; its rows stay.
UPDATE shopping_list
   SET is_active = FALSE, updated_at = :updated_at
 WHERE id = :id;

-- show_shopping_list --
-- Shows a deleted list again, if :user_id may see it or :sees_all is true; one row if so.
UPDATE shopping_list
   SET is_active = TRUE, updated_at = :updated_at
 WHERE id = :id AND NOT is_active AND (is_public OR creator_id = :user_id OR CAST(:sees_all AS BOOLEAN))
RETURNING id;

-- lock_shopping_list --
-- Locks a list until the end of the transaction. SQLite's single writer needs no lock.
SELECT id
  FROM shopping_list
 WHERE id = :id;

-- get_shopping_list --
-- One list, if :user_id may see it or :sees_all is true.
SELECT id, name, is_public, creator_id, created_at, updated_at,
       (SELECT count(*) FROM shopping_list_entry WHERE shopping_list_entry.list_id = shopping_list.id) AS item_count
  FROM shopping_list
 WHERE id = :id AND is_active AND (is_public OR creator_id = :user_id OR CAST(:sees_all AS BOOLEAN));

-- list_shopping_lists --
-- The lists that :user_id may see, or all of them, in the order they were created.
SELECT id, name, is_public, creator_id, created_at, updated_at,
       (SELECT count(*) FROM shopping_list_entry WHERE shopping_list_entry.list_id = shopping_list.id) AS item_count
  FROM shopping_list
 WHERE is_active AND (is_public OR creator_id = :user_id OR CAST(:sees_all AS BOOLEAN))
 ORDER BY /* sort: id; name = lower(name); item_count; created_at; updated_at */ id
 LIMIT :limit OFFSET :skip;

-- list_shopping_list_entries --
-- The entries of a list, in the order they were added.
SELECT id, list_id, item_id, text, quantity_milli, created_at, updated_at
  FROM shopping_list_entry
 WHERE list_id = :list_id
 ORDER BY id;

-- find_shopping_list_entry --
-- The entry of an item, or the placeholder of this id, on a list; the other one is NULL.
SELECT id, list_id, item_id, text, quantity_milli, created_at, updated_at
  FROM shopping_list_entry
 WHERE list_id = :list_id
   AND (item_id = :item_id OR (text IS NOT NULL AND id = :entry_id));

-- get_shopping_list_entry --
-- The entry of this id on a list, of an item or with a text.
SELECT id, list_id, item_id, text, quantity_milli, created_at, updated_at
  FROM shopping_list_entry
 WHERE list_id = :list_id AND id = :id;

-- was_on_shopping_list --
-- A row if an entry of the item was on the list. :within and :last are the item as it is in details.
SELECT 1
  FROM shopping_list_log
 WHERE list_id = :list_id AND (details LIKE :within OR details LIKE :last)
 LIMIT 1;

-- add_shopping_list_entry --
-- Adds an item or a placeholder to a list.
INSERT INTO shopping_list_entry (list_id, item_id, text, quantity_milli, created_at, updated_at)
VALUES (:list_id, :item_id, :text, :quantity_milli, :created_at, :created_at);

-- change_shopping_list_entry --
-- Changes an entry.
UPDATE shopping_list_entry
   SET text = :text, quantity_milli = :quantity_milli, updated_at = :updated_at
 WHERE id = :id;

-- remove_shopping_list_entry --
-- Removes an entry.
DELETE FROM shopping_list_entry
 WHERE id = :id;

-- copy_shopping_list_entries --
-- Copies the entries of the list :source_id to the list :list_id.
INSERT INTO shopping_list_entry (list_id, item_id, text, quantity_milli, created_at, updated_at)
SELECT CAST(:list_id AS BIGINT), item_id, text, quantity_milli, :created_at, :created_at
  FROM shopping_list_entry
 WHERE list_id = :source_id
 ORDER BY id;

-- copy_listed_projects --
-- Notes the projects of the list :source_id on the list :list_id.
INSERT INTO listed_project (list_id, project_id)
SELECT CAST(:list_id AS BIGINT), project_id
  FROM listed_project
 WHERE list_id = :source_id;

-- list_low_items --
-- The ids of active items at or below their minimum that are not on the list :list_id, by name.
SELECT item.id
  FROM low_item
  JOIN item ON item.id = low_item.item_id
 WHERE item.is_active
   AND NOT EXISTS (SELECT 1 FROM shopping_list_entry AS entry
                    WHERE entry.list_id = :list_id AND entry.item_id = item.id)
 ORDER BY lower(item.name), item.id
 LIMIT :limit;

-- list_listed_low_items --
-- The ids of active items at or below their minimum that are on the list :list_id.
SELECT item.id
  FROM shopping_list_entry AS entry
  JOIN item ON item.id = entry.item_id
  JOIN item_amount ON item_amount.item_id = item.id
 WHERE entry.list_id = :list_id
   AND item.is_active AND item.min_quantity_milli >= item_amount.total_milli;

-- list_low_items_among --
-- Those of the items :ids that are low, by name, and whether they are on the list :list_id.
SELECT item.id, item.name, item.min_quantity_milli, item.reorder_quantity_milli,
       item_amount.total_milli AS stock_milli,
       EXISTS (SELECT 1 FROM shopping_list_entry AS entry
                WHERE entry.list_id = :list_id AND entry.item_id = item.id) AS is_listed
  FROM item
  JOIN item_amount ON item_amount.item_id = item.id
 WHERE item.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
   AND item.is_active AND item.min_quantity_milli >= item_amount.total_milli
 ORDER BY lower(item.name), item.id;

-- add_shopping_list_log --
-- Adds a log entry.
INSERT INTO shopping_list_log (list_id, action_type, user_id, details, recorded_at)
VALUES (:list_id, :action_type, :user_id, :details, :recorded_at);

-- find_merge_targets --
-- Those of the items :ids that are merged, with the items that they are now.
SELECT id, merged_into_id
  FROM item
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
   AND merged_into_id IS NOT NULL;

-- list_shopping_list_logs --
-- The log of a list, newest first; :action_type is optional.
SELECT id, action_type, user_id, details AS details_json, recorded_at
  FROM shopping_list_log
 WHERE list_id = :list_id
   AND (CAST(:action_type AS TEXT) IS NULL OR action_type = :action_type)
 ORDER BY /* sort: id; action_type; timestamp = recorded_at */ id DESC
 LIMIT :limit OFFSET :skip;
