-- lock_locations --
-- Nothing comes to the locations :ids, or goes from them, until the transaction ends.
SELECT id
  FROM location
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY id
   FOR NO KEY UPDATE;

-- lock_plan --
-- Keeps a plan as it is until the transaction ends.
SELECT id
  FROM reorg_plan
 WHERE id = :id
   FOR NO KEY UPDATE;
