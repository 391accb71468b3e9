-- reserve_event_ids --
-- :count ids from the sequence, ascending; the commit notifies the readers that follow the ledger. Before it takes the
-- first id, the transaction holds the shared lock by which list_open_writers finds it.
SELECT nextval(pg_get_serial_sequence('stock_event', 'id')) AS id
  FROM (SELECT pg_advisory_xact_lock_shared(77862604) AS locked, pg_notify('stocky_ledger', '') AS notified OFFSET 0) AS begun,
       generate_series(1, CAST(:count AS INTEGER))
 ORDER BY id;

-- lock_items --
-- The columns of the items :ids that the rules need, each locked until the transaction ends, in the order of their ids.
SELECT id, name, oversell_policy, is_active, version, merged_into_id, min_quantity_milli, default_storage_type,
       needs_review, shelf_life_days, opened_days
  FROM item
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY id
   FOR NO KEY UPDATE;

-- find_locations --
-- Active locations by :ids, by the :keys of their paths or names, or at :loc_nos in the boxes :box_nos, locked until the
-- transaction ends.
SELECT id, name, path, box_no, loc_no, kind = 'person' AS is_person
  FROM location
 WHERE is_active
   AND (id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
        OR path_key IN (SELECT value FROM json_each(CAST(:keys AS TEXT)))
        OR name_key IN (SELECT value FROM json_each(CAST(:keys AS TEXT)))
        OR (box_no IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:box_nos AS TEXT)))
            AND loc_no IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:loc_nos AS TEXT)))))
 ORDER BY id
   FOR SHARE;

-- find_barcodes --
-- The items of the barcodes with the keys :code_keys, and the pieces that one scan counts.
SELECT code_key, item_id, pack_milli
  FROM barcode
 WHERE code_key IN (SELECT value FROM json_each(CAST(:code_keys AS TEXT)));

-- find_items_of_parts --
-- The items in use with the maker's part numbers :parts, whose ASCII letters are in upper case, and whether a barcode of
-- the item is that number, too.
SELECT upper(manufacturer_code COLLATE "C") AS part, id,
       EXISTS (SELECT 1 FROM barcode
                WHERE barcode.item_id = item.id
                  AND upper(barcode.code COLLATE "C") = upper(item.manufacturer_code COLLATE "C")) AS is_barcode
  FROM item
 WHERE manufacturer_code <> '' AND is_active
   AND upper(manufacturer_code COLLATE "C") IN (SELECT value FROM json_each(CAST(:parts AS TEXT)));

-- list_skus_of_items --
-- Every SKU of the items :ids, hidden ones included.
SELECT id, item_id, location_id, expiry_date, lot, serial, opened_on, quantity_milli, unit, notes, is_active, version,
       created_at, updated_at
  FROM sku
 WHERE item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- find_refusals --
-- Which of :event_ids were rejected before.
SELECT event_id, fingerprint, refusal, reason
  FROM event_refusal
 WHERE event_id IN (SELECT value FROM json_each(CAST(:event_ids AS TEXT)));

-- find_event_ids --
-- Which of :event_ids are in the ledger, and the fingerprints of their content.
SELECT id, event_id, fingerprint
  FROM stock_event
 WHERE event_id IN (SELECT value FROM json_each(CAST(:event_ids AS TEXT)));

-- change_skus by column --
-- Updates SKUs after new events.
UPDATE sku
   SET quantity_milli = changed.quantity_milli, is_active = changed.is_active, version = changed.version,
       updated_at = changed.updated_at
  FROM unnest(CAST(:quantity_milli AS BIGINT[]), CAST(:is_active AS BOOLEAN[]), CAST(:version AS BIGINT[]),
              CAST(:updated_at AS TIMESTAMPTZ[]), CAST(:id AS BIGINT[]))
       AS changed (quantity_milli, is_active, version, updated_at, id)
 WHERE sku.id = changed.id;

-- add_events by column --
-- Adds rows to the ledger.
INSERT INTO stock_event (id, event_id, fingerprint, batch_id, transfer_id, kind, item_id, location_id, sku_id,
                         delta_milli, quantity_after_milli, occurred_at, recorded_at, user_id, scanner_id,
                         reverses_id, note, unit_scale)
SELECT id, event_id, fingerprint, batch_id, transfer_id, kind, item_id, location_id, sku_id,
       delta_milli, quantity_after_milli, occurred_at, recorded_at, user_id, scanner_id,
       reverses_id, note, unit_scale
  FROM unnest(CAST(:id AS BIGINT[]), CAST(:event_id AS TEXT[]), CAST(:fingerprint AS TEXT[]),
              CAST(:batch_id AS TEXT[]), CAST(:transfer_id AS BIGINT[]), CAST(:kind AS TEXT[]),
              CAST(:item_id AS BIGINT[]), CAST(:location_id AS BIGINT[]), CAST(:sku_id AS BIGINT[]),
              CAST(:delta_milli AS BIGINT[]), CAST(:quantity_after_milli AS BIGINT[]),
              CAST(:occurred_at AS TIMESTAMPTZ[]), CAST(:recorded_at AS TIMESTAMPTZ[]), CAST(:user_id AS BIGINT[]),
              CAST(:scanner_id AS TEXT[]), CAST(:reverses_id AS BIGINT[]), CAST(:note AS TEXT[]),
              CAST(:unit_scale AS BIGINT[]))
       AS new (id, event_id, fingerprint, batch_id, transfer_id, kind, item_id, location_id, sku_id,
               delta_milli, quantity_after_milli, occurred_at, recorded_at, user_id, scanner_id,
               reverses_id, note, unit_scale);

-- count_entries_by_day --
-- The number of entries of each kind between each two of the times :bounds; the two sides of a transfer count once.
SELECT day.since, event.kind, count(*) AS number
  FROM (SELECT value AS since, CAST(value AS TIMESTAMPTZ) AS first,
               CAST(lead(value) OVER (ORDER BY value) AS TIMESTAMPTZ) AS until
          FROM json_each(CAST(:bounds AS TEXT))) AS day
  JOIN stock_event AS event ON event.occurred_at >= day.first AND event.occurred_at < day.until
 WHERE event.transfer_id IS NULL OR event.transfer_id = event.id
 GROUP BY day.since, event.kind;

-- count_entries_of_items_by_day --
-- The same for the items :ids, by the index of their events; :since and :until are the first and the last of :bounds.
WITH chosen (id, kind, occurred_at) AS MATERIALIZED (
    SELECT coalesce(transfer_id, id), kind, occurred_at
      FROM stock_event
     WHERE item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
       AND NOT (occurred_at < :since OR occurred_at >= :until)
)
SELECT day.since, chosen.kind, count(DISTINCT chosen.id) AS number
  FROM (SELECT value AS since, CAST(value AS TIMESTAMPTZ) AS first,
               CAST(lead(value) OVER (ORDER BY value) AS TIMESTAMPTZ) AS until
          FROM json_each(CAST(:bounds AS TEXT))) AS day
  JOIN chosen ON chosen.occurred_at >= day.first AND chosen.occurred_at < day.until
 GROUP BY day.since, chosen.kind;
