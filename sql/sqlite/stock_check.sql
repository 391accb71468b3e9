-- Checks of the SQLite file.

-- list_integrity_faults --
-- Damage in the file, and values that violate NOT NULL, CHECK and UNIQUE.
SELECT integrity_check AS message
  FROM pragma_integrity_check(:limit)
 WHERE integrity_check <> 'ok';

-- list_reference_faults --
-- Rows that refer to missing rows.
SELECT "table" || ': ' || count(*) || ' rows refer to a missing ' || "parent" AS message
  FROM pragma_foreign_key_check
 GROUP BY "table", "parent"
 LIMIT :limit;
