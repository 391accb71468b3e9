-- lock_merges --
-- Nothing else is merged, given back or imported until the end of the transaction, in any process.
SELECT pg_advisory_xact_lock(77862602) AS locked;

-- try_to_lock_merges --
-- The same, and says whether it is so: it is not where another transaction has it, or waits for it.
SELECT pg_try_advisory_xact_lock(77862602) AS locked;

-- lock_lists_of_item --
-- Keeps the lists that an item stands on as they are until the end of the transaction.
SELECT id
  FROM shopping_list
 WHERE id IN (SELECT list_id FROM shopping_list_entry WHERE item_id = :item_id)
 ORDER BY id
   FOR NO KEY UPDATE;
