-- Settings that administrators change while Stocky runs.

-- list_settings --
-- What differs from the settings Stocky comes with.
SELECT name, value AS value_json, updated_at
  FROM setting;

-- keep_setting --
-- A setting's value, as JSON.
INSERT INTO setting (name, value, updated_at)
VALUES (:name, :value, :updated_at)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at;
