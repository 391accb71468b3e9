-- The end of the ledger, for live streams and webhooks.

-- get_last_event_id --
-- The highest id in the ledger, 0 when it is empty.
SELECT coalesce(max(id), 0)
  FROM stock_event;

-- list_events_after --
-- The ledger from after :after up to :until, oldest first; all other filters optional.
SELECT id, event_id, type, item_id, location_id, sku_id, delta, quantity_after, occurred_at, recorded_at, user_id,
       scanner_id, batch_id, transfer_id, reverses_id, reversed_by_id, note
  FROM event_detail
 WHERE id > :after
   AND id <= :until
   AND (CAST(:item_id AS BIGINT) IS NULL OR item_id = :item_id)
   AND (CAST(:location_id AS BIGINT) IS NULL OR location_id = :location_id)
   AND (CAST(:type AS TEXT) IS NULL OR type = :type)
 ORDER BY id
 LIMIT :limit;

-- list_open_writers --
-- Open transactions that may have reserved ids: none, since SQLite has one writer.
SELECT '' AS writer
 WHERE FALSE;

-- describe_open_writer --
-- A description of the transaction for the log.
SELECT CAST(:writer AS TEXT) AS description;
