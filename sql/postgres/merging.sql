-- lock_lists_of_item --
-- Keeps the lists that an item stands on as they are until the end of the transaction.
SELECT id
  FROM shopping_list
 WHERE id IN (SELECT list_id FROM shopping_list_entry WHERE item_id = :item_id)
 ORDER BY id
   FOR NO KEY UPDATE;
