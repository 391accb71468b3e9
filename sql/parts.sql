-- Item types, tags and sellers. A name's key is the case-folded name, computed in Python.

-- list_item_types --
-- Types by name, with the number of active items of each.
SELECT id, name, description,
       (SELECT count(*) FROM item WHERE item.type_id = item_type.id AND item.is_active) AS item_count,
       created_at, updated_at
  FROM item_type
 WHERE CAST(:pattern AS TEXT) IS NULL OR name_key LIKE :pattern ESCAPE '\'
 ORDER BY /* sort: id; name = name_key; item_count; created_at; updated_at */ name_key
 LIMIT :limit OFFSET :skip;

-- get_item_type --
-- One type.
SELECT id, name, description,
       (SELECT count(*) FROM item WHERE item.type_id = item_type.id AND item.is_active) AS item_count,
       created_at, updated_at
  FROM item_type
 WHERE id = :id;

-- list_item_type_names --
-- The names of the types :ids.
SELECT id, name
  FROM item_type
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- find_item_type --
-- The id of the type with the key :name_key.
SELECT id
  FROM item_type
 WHERE name_key = :name_key;

-- has_item_type --
-- A row if the type exists.
SELECT 1
  FROM item_type
 WHERE id = :id;

-- add_item_type --
-- Adds a type.
INSERT INTO item_type (name, name_key, description, created_at, updated_at)
VALUES (:name, :name_key, :description, :created_at, :created_at)
RETURNING id;

-- change_item_type --
-- Changes a type.
UPDATE item_type
   SET name = :name, name_key = :name_key, description = :description, updated_at = :updated_at
 WHERE id = :id;

-- remove_item_type --
-- Removes a type that no item has.
DELETE FROM item_type
 WHERE id = :id;

-- list_items_of_type --
-- The items of a type after :after, hidden ones included.
SELECT id
  FROM item
 WHERE type_id = :type_id AND id > :after
 ORDER BY id
 LIMIT :limit;

-- bump_item_versions --
-- Increments the versions of the items :ids, so that caches read them again.
UPDATE item
   SET version = version + 1, updated_at = :updated_at
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_tags --
-- Tags by name, with the number of active items of each: of all items but the hidden ones, which are few. CROSS JOIN
-- keeps SQLite from reading the tags of all items.
SELECT tag.id, tag.name,
       (SELECT count(*) FROM item_tag WHERE item_tag.tag_id = tag.id) - coalesce(hidden.item_count, 0) AS item_count,
       tag.created_at, tag.updated_at
  FROM tag
  LEFT JOIN (SELECT item_tag.tag_id, count(*) AS item_count
               FROM item CROSS JOIN item_tag
              WHERE NOT item.is_active AND item_tag.item_id = item.id
              GROUP BY item_tag.tag_id) AS hidden ON hidden.tag_id = tag.id
 WHERE CAST(:pattern AS TEXT) IS NULL OR tag.name_key LIKE :pattern ESCAPE '\'
 ORDER BY /* sort: id = tag.id; name = tag.name_key; item_count; created_at = tag.created_at;
             updated_at = tag.updated_at */
          tag.name_key
 LIMIT :limit OFFSET :skip;

-- get_tag --
-- One tag.
SELECT id, name,
       (SELECT count(*) FROM item_tag WHERE item_tag.tag_id = tag.id)
       - (SELECT count(*) FROM item CROSS JOIN item_tag
           WHERE NOT item.is_active AND item_tag.item_id = item.id AND item_tag.tag_id = tag.id) AS item_count,
       created_at, updated_at
  FROM tag
 WHERE id = :id;

-- add_tag --
-- Adds a tag; no row if its name exists.
INSERT INTO tag (name, name_key, created_at, updated_at)
VALUES (:name, :name_key, :created_at, :created_at)
ON CONFLICT (name_key) DO NOTHING
RETURNING id;

-- find_tag --
-- The id of the tag with the key :name_key.
SELECT id
  FROM tag
 WHERE name_key = :name_key;

-- find_tags --
-- The existing tags with the keys :name_keys.
SELECT name_key
  FROM tag
 WHERE name_key IN (SELECT value FROM json_each(CAST(:name_keys AS TEXT)));

-- rename_tag --
-- Renames a tag.
UPDATE tag
   SET name = :name, name_key = :name_key, updated_at = :updated_at
 WHERE id = :id;

-- remove_tag --
-- Removes a tag that no item has.
DELETE FROM tag
 WHERE id = :id;

-- list_items_with_tag --
-- The items after :after that have a tag, hidden ones included.
SELECT item_id
  FROM item_tag
 WHERE tag_id = :tag_id AND item_id > :after
 ORDER BY item_id
 LIMIT :limit;

-- add_item_tags --
-- Adds the tags with the keys :name_keys to an item, each once.
INSERT INTO item_tag (item_id, tag_id)
SELECT CAST(:item_id AS BIGINT), id
  FROM tag
 WHERE name_key IN (SELECT value FROM json_each(CAST(:name_keys AS TEXT)))
ON CONFLICT (item_id, tag_id) DO NOTHING;

-- remove_item_tags --
-- Removes all tags of an item.
DELETE FROM item_tag
 WHERE item_id = :item_id;

-- remove_tag_from_items --
-- Removes a tag from all items.
DELETE FROM item_tag
 WHERE tag_id = :tag_id;

-- list_sellers --
-- Sellers, with the number of active items of each.
SELECT counted.name, counted.item_count
  FROM (SELECT seller AS name, count(*) AS item_count
          FROM item
         WHERE is_active AND seller <> ''
         GROUP BY seller) AS counted
 WHERE CAST(:pattern AS TEXT) IS NULL OR contains(counted.name, :pattern)
 ORDER BY /* sort: name = lower(counted.name); item_count = counted.item_count */ lower(counted.name), counted.name
 LIMIT :limit OFFSET :skip;
