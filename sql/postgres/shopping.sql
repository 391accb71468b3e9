-- lock_shopping_list --
-- Locks a list until the end of the transaction.
SELECT id
  FROM shopping_list
 WHERE id = :id
   FOR NO KEY UPDATE;
