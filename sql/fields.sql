-- Custom fields of types and the values of items. A name's key is the case-folded name, computed in Python.

-- list_fields --
-- The fields of a type in their order.
SELECT id, type_id, name, kind, unit, choices AS choices_json, position, created_at, updated_at
  FROM item_field
 WHERE type_id = :type_id
 ORDER BY position, id;

-- list_fields_of_types --
-- The fields of the types :type_ids in their order.
SELECT id, type_id, name, kind, unit, choices AS choices_json, position, created_at, updated_at
  FROM item_field
 WHERE type_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:type_ids AS TEXT)))
 ORDER BY position, id;

-- share_fields --
-- The same, which no transaction can change until this one ends. SQLite's single writer needs no lock.
SELECT id, type_id, name, kind, unit, choices AS choices_json, position, created_at, updated_at
  FROM item_field
 WHERE type_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:type_ids AS TEXT)))
 ORDER BY position, id;

-- lock_fields --
-- The fields of a type, locked until the transaction ends. SQLite's single writer needs no lock.
SELECT id, type_id, name, kind, unit, choices AS choices_json, position, created_at, updated_at
  FROM item_field
 WHERE type_id = :type_id
 ORDER BY position, id;

-- find_fields --
-- The fields with the keys :keys of all types, or of one.
SELECT id, type_id, name, kind, unit, choices AS choices_json, position, created_at, updated_at
  FROM item_field
 WHERE name_key IN (SELECT value FROM json_each(CAST(:keys AS TEXT)))
   AND (CAST(:type_id AS BIGINT) IS NULL OR type_id = :type_id)
 ORDER BY id;

-- list_field_names --
-- The names of the fields of all types, or of one, in the order in which exports have them.
SELECT item_field.name
  FROM item_field
  JOIN item_type ON item_type.id = item_field.type_id
 WHERE CAST(:type_id AS BIGINT) IS NULL OR item_field.type_id = :type_id
 ORDER BY item_type.name_key, item_field.position, item_field.id;

-- add_field --
-- Adds a field.
INSERT INTO item_field (type_id, name, name_key, kind, unit, choices, position, created_at, updated_at)
VALUES (:type_id, :name, :name_key, :kind, :unit, :choices, :position, :created_at, :created_at)
RETURNING id;

-- change_field --
-- Changes a field.
UPDATE item_field
   SET name = :name, name_key = :name_key, kind = :kind, unit = :unit, choices = :choices, updated_at = :updated_at
 WHERE id = :id;

-- place_field --
-- Gives a field its place among those of its type.
UPDATE item_field
   SET position = :position
 WHERE id = :id;

-- move_field --
-- Gives a field to another type, with the values of its items.
UPDATE item_field
   SET type_id = :type_id, position = :position
 WHERE id = :id;

-- remove_field --
-- Removes a field without values.
DELETE FROM item_field
 WHERE id = :id;

-- list_field_values --
-- The values of a field, of hidden items and of those that had its type before, too.
SELECT item_id, value
  FROM item_field_value
 WHERE field_id = :field_id
 ORDER BY item_id;

-- count_items_with_values --
-- The number of items with a value in any of the fields :ids.
SELECT count(DISTINCT item_id)
  FROM item_field_value
 WHERE field_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- set_field_value --
-- Sets the value of an item in a field.
INSERT INTO item_field_value (item_id, field_id, value, value_key)
VALUES (:item_id, :field_id, :value, :value_key)
ON CONFLICT (item_id, field_id) DO UPDATE SET value = excluded.value, value_key = excluded.value_key;

-- touch_field_values --
-- Lets the search read the values of a field again.
UPDATE item_field_value
   SET value = value
 WHERE field_id = :field_id;

-- remove_field_values --
-- Removes the values of an item in the fields :ids.
DELETE FROM item_field_value
 WHERE item_id = :item_id
   AND field_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- remove_values_of_field --
-- Removes the values of the items :ids in a field.
DELETE FROM item_field_value
 WHERE field_id = :field_id
   AND item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));
