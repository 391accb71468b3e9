-- Checks of the Postgres catalogue.

-- list_integrity_faults --
-- Indexes and constraints that Postgres itself marks as invalid.
SELECT message
  FROM (SELECT 'the index ' || CAST(indexrelid AS regclass) || ' is not valid' AS message
          FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
         WHERE NOT indisvalid AND relnamespace = CAST(current_schema() AS regnamespace)
        UNION ALL
        SELECT 'the constraint ' || conname || ' is not validated'
          FROM pg_constraint
         WHERE NOT convalidated AND connamespace = CAST(current_schema() AS regnamespace)) AS fault
 LIMIT CAST(:limit AS BIGINT);

-- list_reference_faults --
-- Rows that refer to missing rows: a restore may load them with the triggers off.
SELECT child || ': ' || missing || ' rows refer to a missing ' || parent AS message
  FROM (SELECT CAST(conrelid AS regclass) AS child, CAST(confrelid AS regclass) AS parent,
               count_orphans(conrelid, own.attname, confrelid, theirs.attname) AS missing
          FROM pg_constraint
          JOIN pg_attribute AS own ON own.attrelid = conrelid AND own.attnum = conkey[1]
          JOIN pg_attribute AS theirs ON theirs.attrelid = confrelid AND theirs.attnum = confkey[1]
         WHERE contype = 'f' AND connamespace = CAST(current_schema() AS regnamespace)) AS reference
 WHERE missing > 0
 LIMIT CAST(:limit AS BIGINT);
