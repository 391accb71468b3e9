-- lock_locations --
-- Locks the locations :ids against stock events until the transaction ends.
SELECT id
  FROM location
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY id
   FOR NO KEY UPDATE;

-- lock_plan --
-- Locks a plan until the transaction ends.
SELECT id
  FROM reorg_plan
 WHERE id = :id
   FOR NO KEY UPDATE;
