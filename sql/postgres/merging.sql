-- lock_merges --
-- Blocks other merges and imports until the end of the transaction, in every process.
SELECT pg_advisory_xact_lock(77862602) AS locked;

-- try_to_lock_merges --
-- Takes the lock without waiting, and returns whether it was taken: not while another transaction has or awaits it.
SELECT pg_try_advisory_xact_lock(77862602) AS locked;

-- lock_lists_of_item --
-- Locks the lists that have an item until the end of the transaction.
SELECT id
  FROM shopping_list
 WHERE id IN (SELECT list_id FROM shopping_list_entry WHERE item_id = :item_id)
 ORDER BY id
   FOR NO KEY UPDATE;
