-- lock_location --
-- Locks a location until the transaction ends.
SELECT id
  FROM location
 WHERE id = :id
   FOR NO KEY UPDATE;
