-- Where several write at once, rows that a decision rests on are locked.

-- lock_webhook --
-- Keeps a webhook as it is until the end of the transaction: it is locked before its queue and its deliveries.
SELECT id
  FROM webhook
 WHERE id = :id
   FOR NO KEY UPDATE;
