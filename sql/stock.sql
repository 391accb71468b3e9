-- The ledger and the SKUs whose quantities are its sums.
-- A list is one parameter: JSON text, taken apart by json_each.

-- find_barcodes --
-- Which items the barcodes :codes stand for, and how many pieces one scan counts.
SELECT barcode.code, barcode.item_id, barcode.pack_milli
  FROM barcode JOIN item ON item.id = barcode.item_id
 WHERE barcode.code IN (SELECT value FROM json_each(CAST(:codes AS TEXT)));

-- find_item_codes --
-- Which items the four-letter codes :codes stand for.
SELECT code, id
  FROM item
 WHERE code IN (SELECT value FROM json_each(CAST(:codes AS TEXT)));

-- find_places --
-- Active locations by :ids, by :names or in the boxes :box_nos.
SELECT id, name, box_no, loc_no
  FROM location
 WHERE is_active
   AND (id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
        OR name IN (SELECT value FROM json_each(CAST(:names AS TEXT)))
        OR box_no IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:box_nos AS TEXT))));

-- find_sku_keys --
-- Which item and location the SKUs :ids are of.
SELECT id, item_id, location_id
  FROM sku
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- find_events_to_undo --
-- The events :ids with all rows of their transfers, and the rows of the batches :batch_ids.
SELECT event.id, event.kind, event.item_id, event.sku_id, event.delta_milli, event.transfer_id, event.batch_id,
       (SELECT reversal.id FROM stock_event AS reversal WHERE reversal.reverses_id = event.id) AS reversed_by
  FROM stock_event AS event
 WHERE event.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
    OR event.transfer_id IN (SELECT target.transfer_id FROM stock_event AS target
                              WHERE target.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))))
    OR event.batch_id IN (SELECT value FROM json_each(CAST(:batch_ids AS TEXT)))
 ORDER BY event.id;

-- lock_items --
-- What the rules need of the items :ids. SQLite's one writer needs no lock.
SELECT id, name, oversell_policy, is_active, version
  FROM item
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY id;

-- list_levels --
-- Every SKU of the items :ids, hidden ones included.
SELECT id, item_id, location_id, expiry_date, quantity_milli, unit, notes, is_active, version, created_at, updated_at
  FROM sku
 WHERE item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY id;

-- find_refusals --
-- Which of :event_ids were refused before.
SELECT event_id, fingerprint, reason
  FROM event_refusal
 WHERE event_id IN (SELECT value FROM json_each(CAST(:event_ids AS TEXT)));

-- find_event_ids --
-- Which of :event_ids are in the ledger, and with which content.
SELECT id, event_id, fingerprint
  FROM stock_event
 WHERE event_id IN (SELECT value FROM json_each(CAST(:event_ids AS TEXT)));

-- list_events_by_id --
-- The events :ids as they are answered.
SELECT id, event_id, kind AS type, item_id, location_id, sku_id,
       CAST(delta_milli AS DOUBLE PRECISION) / 1000 AS delta,
       CAST(quantity_after_milli AS DOUBLE PRECISION) / 1000 AS quantity_after,
       occurred_at, recorded_at, user_id, scanner_id, batch_id, transfer_id, reverses_id,
       (SELECT reversal.id FROM stock_event AS reversal WHERE reversal.reverses_id = stock_event.id) AS reversed_by_id,
       note
  FROM stock_event
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY id;

-- add_level --
-- A new SKU.
INSERT INTO sku (item_id, location_id, expiry_date, quantity_milli, unit, notes, is_active, version,
                 created_at, updated_at)
VALUES (:item_id, :location_id, :expiry_date, :quantity_milli, :unit, :notes, TRUE, :version,
        :created_at, :created_at)
RETURNING id;

-- change_levels --
-- A SKU after its ledger has grown.
UPDATE sku
   SET quantity_milli = :quantity_milli, is_active = :is_active, version = :version, updated_at = :updated_at
 WHERE id = :id;

-- add_events --
-- A row of the ledger.
INSERT INTO stock_event (id, event_id, fingerprint, batch_id, transfer_id, kind, item_id, location_id, sku_id,
                         delta_milli, quantity_after_milli, occurred_at, recorded_at, user_id, scanner_id,
                         reverses_id, note)
VALUES (:id, :event_id, :fingerprint, :batch_id, :transfer_id, :kind, :item_id, :location_id, :sku_id,
        :delta_milli, :quantity_after_milli, :occurred_at, :recorded_at, :user_id, :scanner_id,
        :reverses_id, :note);

-- add_refusals --
-- What was refused, so that it is refused again.
INSERT INTO event_refusal (event_id, fingerprint, reason, recorded_at)
VALUES (:event_id, :fingerprint, :reason, :recorded_at)
ON CONFLICT (event_id) DO NOTHING;
