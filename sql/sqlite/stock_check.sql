-- What only SQLite can say about its own files.

-- list_integrity_faults --
-- Damage in the file, and values against NOT NULL, CHECK and UNIQUE.
SELECT integrity_check AS message
  FROM pragma_integrity_check(:limit)
 WHERE integrity_check <> 'ok';

-- list_reference_faults --
-- Rows that refer to rows that are not there.
SELECT "table" || ': ' || count(*) || ' rows refer to a missing ' || "parent" AS message
  FROM pragma_foreign_key_check
 GROUP BY "table", "parent"
 LIMIT :limit;
