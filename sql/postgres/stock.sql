-- reserve_event_ids --
-- :count ids from the sequence, rising.
SELECT nextval(pg_get_serial_sequence('stock_event', 'id')) AS id
  FROM generate_series(1, CAST(:count AS INTEGER))
 ORDER BY id;

-- lock_items --
-- What the rules need of the items :ids, each locked until the end of the transaction, in the order of their ids.
SELECT id, name, oversell_policy, is_active, version
  FROM item
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY id
   FOR NO KEY UPDATE;
