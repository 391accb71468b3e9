-- What imports and exports of tables ask. An export reads page by page, each after the last row of the one before.

-- lock_imports --
-- One import at a time writes. SQLite's one writer needs no lock.
SELECT 1 AS locked;

-- find_items_named --
-- The active items of exactly the names :names.
SELECT item.id, item.name
  FROM json_each(CAST(:names AS TEXT)) AS wanted
  JOIN item ON lower(item.name) = lower(wanted.value) AND item.name = wanted.value
 WHERE item.is_active;

-- find_named_places --
-- Active locations with the names :names or in the boxes :box_nos.
SELECT id, name, box_no, loc_no
  FROM location
 WHERE is_active
   AND (name IN (SELECT value FROM json_each(CAST(:names AS TEXT)))
        OR box_no IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:box_nos AS TEXT))));

-- find_item_types --
-- The item types whose names have the keys :keys.
SELECT id, name_key
  FROM item_type
 WHERE name_key IN (SELECT value FROM json_each(CAST(:keys AS TEXT)));

-- find_imported_events --
-- Which of :event_ids are in the ledger, who booked them, and whether they have been undone.
SELECT event.event_id, event.batch_id, event.fingerprint,
       EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = event.id) AS is_undone
  FROM json_each(CAST(:event_ids AS TEXT)) AS wanted
  JOIN stock_event AS event ON event.event_id = wanted.value;

-- list_earlier_imports --
-- The imports of this key that took any stock, and whether anything of what they booked has not been undone.
SELECT entry.details AS details_json,
       EXISTS (SELECT 1
                 FROM stock_event AS event
                WHERE event.batch_id = entry.request_id AND event.kind <> 'undo'
                  AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = event.id))
       AS is_booked
  FROM audit_entry AS entry
 WHERE entry.subject = 'import' AND entry.subject_id = :key AND entry.action = 'imported'
 ORDER BY entry.id;

-- count_import_entries --
-- What an import wrote, by the audit trail.
SELECT subject, action, count(*) AS entries
  FROM audit_entry
 WHERE request_id = :import_id
 GROUP BY subject, action;

-- count_import_events --
-- How many events an import booked.
SELECT count(*) AS events
  FROM stock_event
 WHERE batch_id = :import_id AND kind <> 'undo';

-- list_import_entries --
-- What an import made and changed, newest first, from below :before.
SELECT id, action, subject, subject_id, details AS details_json
  FROM audit_entry
 WHERE request_id = :import_id AND id < :before
   AND ((action = 'imported' AND subject IN ('item', 'sku')) OR (action = 'created' AND subject IN ('item', 'location')))
 ORDER BY id DESC
 LIMIT :limit;

-- list_import_events --
-- What an import booked and nobody has undone, newest first, from below :before.
SELECT event.id, event.sku_id
  FROM stock_event AS event
 WHERE event.batch_id = :import_id AND event.id < :before AND event.kind <> 'undo'
   AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = event.id)
 ORDER BY event.id DESC
 LIMIT :limit;

-- export_items --
-- Items in the order they were added, after :after; all other filters as in list_items.
SELECT id, code, name, description, upc, barcodes_json, default_storage_type, min_quantity, oversell_policy,
       manufacturer_code, type_name, tags_json, seller, seller_link
  FROM item_detail
 WHERE id > :after AND is_active = :is_active
   AND (CAST(:storage_type AS TEXT) IS NULL OR default_storage_type = :storage_type)
   AND (CAST(:needs_review AS BOOLEAN) IS NULL OR needs_review = :needs_review)
   AND (CAST(:type_id AS BIGINT) IS NULL OR type_id = :type_id)
   AND (CAST(:tag_key AS TEXT) IS NULL
        OR id IN (SELECT item_tag.item_id FROM item_tag JOIN tag ON tag.id = item_tag.tag_id
                   WHERE tag.name_key = :tag_key))
   AND (CAST(:pattern AS TEXT) IS NULL
        OR contains(name, :pattern) OR contains(description, :pattern)
        OR contains(code, :pattern)
        OR id IN (SELECT barcode.item_id FROM barcode WHERE contains(barcode.code, :pattern)))
 ORDER BY id
 LIMIT :limit;

-- export_stock --
-- SKUs in the order they were made, after :after; all other filters as in list_skus.
SELECT sku.id, item.code, item.name,
       (SELECT barcode.code FROM barcode WHERE barcode.item_id = item.id AND barcode.is_primary) AS barcode,
       location.name AS location, location.storage_type AS location_storage_type, location.box_no, location.loc_no,
       sku.quantity_milli, sku.unit, sku.expiry_date, sku.notes
  FROM sku
  JOIN item ON item.id = sku.item_id
  JOIN location ON location.id = sku.location_id
 WHERE sku.id > :after AND sku.is_active
   AND (CAST(:item_id AS BIGINT) IS NULL OR sku.item_id = :item_id)
   AND (CAST(:location_id AS BIGINT) IS NULL OR sku.location_id = :location_id)
   AND (NOT :low_stock
        OR (item.min_quantity_milli IS NOT NULL
            AND item.min_quantity_milli >= (SELECT item_amount.total_milli FROM item_amount
                                             WHERE item_amount.item_id = sku.item_id)))
   AND (NOT :expiring_soon OR (sku.expiry_date <= :expires_by AND sku.quantity_milli > 0))
   AND (CAST(:pattern AS TEXT) IS NULL
        OR contains(item.name, :pattern) OR contains(item.code, :pattern)
        OR contains(location.name, :pattern) OR contains(sku.notes, :pattern)
        OR item.id IN (SELECT barcode.item_id FROM barcode WHERE contains(barcode.code, :pattern)))
 ORDER BY sku.id
 LIMIT :limit;

-- export_events --
-- The ledger, oldest first, after :after; all other filters as in list_events.
SELECT event.id, event.occurred_at, event.recorded_at, event.kind, item.code, item.name, location.name AS location,
       sku.expiry_date, event.delta_milli, event.quantity_after_milli, sku.unit, event.note, event.user_id,
       event.scanner_id, event.event_id, event.batch_id, event.transfer_id, event.reverses_id
  FROM stock_event AS event
  JOIN item ON item.id = event.item_id
  JOIN location ON location.id = event.location_id
  JOIN sku ON sku.id = event.sku_id
 WHERE event.id > :after
   AND (CAST(:item_id AS BIGINT) IS NULL OR event.item_id = :item_id)
   AND (CAST(:location_id AS BIGINT) IS NULL OR event.location_id = :location_id)
   AND (CAST(:user_id AS BIGINT) IS NULL OR event.user_id = :user_id)
   AND (CAST(:scanner_id AS TEXT) IS NULL OR event.scanner_id = :scanner_id)
   AND (CAST(:type AS TEXT) IS NULL OR event.kind = :type)
   AND event.occurred_at >= :since
   AND event.occurred_at < :until
 ORDER BY event.id
 LIMIT :limit;
