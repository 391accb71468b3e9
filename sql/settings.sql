-- Settings that admins change at run time.

-- list_settings --
-- The changed settings.
SELECT name, value AS value_json, updated_at
  FROM setting;

-- find_setting --
-- A setting, if it was changed.
SELECT name, value AS value_json, updated_at
  FROM setting
 WHERE name = :name;

-- store_setting --
-- Stores the value of a setting, as JSON.
INSERT INTO setting (name, value, updated_at)
VALUES (:name, :value, :updated_at)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at;

-- list_settings_named --
-- The settings whose names begin with :start.
SELECT name, value AS value_json
  FROM setting
 WHERE substr(name, 1, length(CAST(:start AS TEXT))) = CAST(:start AS TEXT)
 ORDER BY name;

-- remove_setting --
-- Removes a setting.
DELETE FROM setting
 WHERE name = :name;
