-- Row locks against concurrent writers.

-- lock_webhook --
-- Locks a webhook until the transaction ends, before its queue and its deliveries.
SELECT id
  FROM webhook
 WHERE id = :id
   FOR NO KEY UPDATE;
