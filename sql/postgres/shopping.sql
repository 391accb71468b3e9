-- lock_shopping_list --
-- Keeps a list as it is until the end of the transaction.
SELECT id
  FROM shopping_list
 WHERE id = :id
   FOR NO KEY UPDATE;
