-- Settings that admins change at run time.

-- list_settings --
-- The changed settings.
SELECT name, value AS value_json, updated_at
  FROM setting;

-- store_setting --
-- Stores the value of a setting, as JSON.
INSERT INTO setting (name, value, updated_at)
VALUES (:name, :value, :updated_at)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at;
