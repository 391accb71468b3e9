-- lock_location --
-- Keeps a location as it is until the end of the transaction.
SELECT id
  FROM location
 WHERE id = :id
   FOR NO KEY UPDATE;
