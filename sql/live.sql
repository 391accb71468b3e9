-- The end of the ledger, for live streams and webhooks.

-- get_last_event_id --
-- The highest id in the ledger, 0 when it is empty.
SELECT coalesce(max(id), 0)
  FROM stock_event;

-- list_events_after --
-- The ledger from after :after up to :until with the names of what its ids stand for, oldest first; all other filters
-- optional.
SELECT event_detail.id, event_id, type, event_detail.item_id, event_detail.location_id, sku_id, delta, quantity_after,
       occurred_at, recorded_at, user_id, scanner_id, batch_id, transfer_id, reverses_id, reversed_by_id, note,
       item.code AS item_code, item.name AS item_name, location.name AS location_name, location.path AS location_path,
       sku.unit, username, sku.expiry_date, sku.lot, sku.serial,
       sku.opened_on
  FROM event_detail
  JOIN item ON item.id = event_detail.item_id
  JOIN location ON location.id = event_detail.location_id
  JOIN sku ON sku.id = sku_id
  LEFT JOIN user_account ON user_account.id = user_id
 WHERE event_detail.id > :after
   AND event_detail.id <= :until
   AND (CAST(:item_id AS BIGINT) IS NULL OR event_detail.item_id = :item_id)
   AND (CAST(:location_id AS BIGINT) IS NULL OR event_detail.location_id = :location_id)
   AND (CAST(:type AS TEXT) IS NULL OR type = :type)
 ORDER BY event_detail.id
 LIMIT :limit;

-- list_open_writers --
-- Open transactions that may have reserved ids: none, since SQLite has one writer.
SELECT '' AS writer
 WHERE FALSE;

-- describe_open_writer --
-- A description of the transaction for the log.
SELECT CAST(:writer AS TEXT) AS description;
