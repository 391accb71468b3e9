-- Where several write at once, a number may be taken before its transaction is seen to write.

-- begin_to_write --
-- This transaction has an id from now on, by which others wait for its end.
SELECT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT);

-- lock_webhook --
-- Keeps a webhook as it is until the end of the transaction: it is locked before its queue and its deliveries.
SELECT id
  FROM webhook
 WHERE id = :id
   FOR NO KEY UPDATE;
