-- CSV exports, read page by page: each page starts after the last row of the one before.

-- export_items --
-- Items in the order they were added, after :after; all other filters as in list_items.
SELECT id, code, name, description, upc, barcodes_json, default_storage_type, min_quantity, reorder_quantity,
       oversell_policy, manufacturer_code, type_name, tags_json, seller, seller_link, shelf_life_days, opened_days,
       (SELECT own.fields_json FROM fields_of_item AS own WHERE own.item_id = item_detail.id) AS fields_json
  FROM item_detail
 WHERE id > :after AND is_active = :is_active
   AND (CAST(:storage_type AS TEXT) IS NULL OR default_storage_type = :storage_type)
   AND (CAST(:needs_review AS BOOLEAN) IS NULL OR needs_review = :needs_review)
   AND (CAST(:type_id AS BIGINT) IS NULL OR type_id = :type_id)
   AND (CAST(:tag_key AS TEXT) IS NULL
        OR id IN (SELECT item_tag.item_id FROM item_tag JOIN tag ON tag.id = item_tag.tag_id
                   WHERE tag.name_key = :tag_key))
   AND (CAST(:within AS BIGINT) IS NULL
        OR id IN (SELECT sku.item_id FROM sku
                   WHERE sku.location_id IN (locations_within(:within)) AND sku.quantity_milli <> 0))
   AND (CAST(:field_ranges AS TEXT) IS NULL OR id IN (items_with_fields(:field_ranges, :field_count)))
   AND (CAST(:pattern AS TEXT) IS NULL
        OR contains(name, :pattern) OR contains(description, :pattern)
        OR contains(code, :pattern)
        OR id IN (SELECT barcode.item_id FROM barcode WHERE contains(barcode.code, :pattern)))
 ORDER BY id
 LIMIT :limit;

-- export_stock --
-- SKUs in the order they were created, after :after; all other filters as in list_skus.
SELECT sku.id, sku.item_id, item.code, item.name,
       (SELECT barcode.code FROM barcode WHERE barcode.item_id = item.id AND barcode.is_primary) AS barcode,
       location.name AS location, location.path AS location_path, location.storage_type AS location_storage_type,
       CASE WHEN location.loc_no IS NOT NULL THEN location.box_no END AS box_no, location.loc_no,
       sku.quantity_milli, sku.unit, sku.expiry_date, sku.notes, sku.lot, sku.serial, sku.opened_on,
       location.kind AS location_kind
  FROM sku
  JOIN item ON item.id = sku.item_id
  JOIN location ON location.id = sku.location_id
 WHERE sku.id > :after AND sku.is_active
   AND (CAST(:item_id AS BIGINT) IS NULL OR sku.item_id = :item_id)
   AND (CAST(:location_id AS BIGINT) IS NULL OR sku.location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR sku.location_id IN (locations_within(:within)))
   AND (NOT :low_stock
        OR (item.min_quantity_milli IS NOT NULL
            AND item.min_quantity_milli >= (SELECT item_amount.total_milli FROM item_amount
                                             WHERE item_amount.item_id = sku.item_id)))
   AND (NOT :expiring_soon OR (sku.expiry_date <= :expires_by AND sku.quantity_milli > 0))
   AND (CAST(:lot AS TEXT) IS NULL OR sku.lot = :lot)
   AND (CAST(:serial AS TEXT) IS NULL OR sku.serial = :serial)
   AND (CAST(:pattern AS TEXT) IS NULL
        OR contains(item.name, :pattern) OR contains(item.code, :pattern)
        OR contains(location.name, :pattern) OR contains(location.path, :pattern)
        OR contains(sku.notes, :pattern) OR contains(sku.lot, :pattern) OR contains(sku.serial, :pattern)
        OR item.id IN (SELECT barcode.item_id FROM barcode WHERE contains(barcode.code, :pattern)))
 ORDER BY sku.id
 LIMIT :limit;

-- export_events --
-- The ledger, oldest first, after :after; all other filters as in list_events.
SELECT event.id, event.occurred_at, event.recorded_at, event.kind, item.code, item.name, location.name AS location,
       location.path AS location_path,
       sku.expiry_date, event.delta_milli, event.quantity_after_milli, sku.unit, event.note, event.user_id,
       event.scanner_id, event.event_id, event.batch_id, event.transfer_id, event.reverses_id, sku.lot,
       sku.serial, sku.opened_on
  FROM stock_event AS event
  JOIN item ON item.id = event.item_id
  JOIN location ON location.id = event.location_id
  JOIN sku ON sku.id = event.sku_id
 WHERE event.id > :after
   AND (CAST(:item_id AS BIGINT) IS NULL OR event.item_id = :item_id)
   AND (CAST(:location_id AS BIGINT) IS NULL OR event.location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR event.location_id IN (locations_within(:within)))
   AND (CAST(:user_id AS BIGINT) IS NULL OR event.user_id = :user_id)
   AND (CAST(:scanner_id AS TEXT) IS NULL OR event.scanner_id = :scanner_id)
   AND (CAST(:type AS TEXT) IS NULL OR event.kind = :type)
   AND (CAST(:lot AS TEXT) IS NULL OR sku.lot = :lot)
   AND (CAST(:serial AS TEXT) IS NULL OR sku.serial = :serial)
   AND NOT (event.occurred_at < :since OR event.occurred_at >= :until)
 ORDER BY event.id
 LIMIT :limit;
