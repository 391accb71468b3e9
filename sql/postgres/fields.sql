-- Locks of custom fields on Postgres.

-- share_fields --
-- The fields of the types :type_ids in their order, which no transaction can change until this one ends.
SELECT id, type_id, name, kind, unit, choices AS choices_json, position, created_at, updated_at
  FROM item_field
 WHERE type_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:type_ids AS TEXT)))
 ORDER BY position, id
   FOR SHARE;

-- lock_fields --
-- The fields of a type, locked until the transaction ends.
SELECT id, type_id, name, kind, unit, choices AS choices_json, position, created_at, updated_at
  FROM item_field
 WHERE type_id = :type_id
 ORDER BY position, id
   FOR UPDATE;
