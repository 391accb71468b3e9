-- Without it, what is opened of a lot is the same as what is not. Only a trigger can refuse here.
CREATE TEMP VIEW sku_opened AS
SELECT min(id) AS id FROM sku GROUP BY item_id, location_id, expiry_date, lot, serial HAVING count(*) > 1;
CREATE TEMP TRIGGER skus_opened_stay INSTEAD OF INSERT ON sku_opened
BEGIN
    SELECT RAISE(ABORT, 'There is opened and closed stock of one lot at one location; without this migration it would be one. Restore an older backup instead');
END;
INSERT INTO sku_opened SELECT id FROM sku_opened LIMIT 1;
DROP VIEW sku_opened;

DROP VIEW item_detail;
DROP VIEW event_detail;
CREATE VIEW event_detail AS
SELECT event.id, event.event_id, event.kind AS type, event.item_id, event.location_id, event.sku_id,
       CAST(event.delta_milli AS DOUBLE PRECISION) / 1000 AS delta,
       CAST(event.quantity_after_milli AS DOUBLE PRECISION) / 1000 AS quantity_after,
       event.occurred_at, event.recorded_at, event.user_id, event.scanner_id, event.batch_id, event.transfer_id,
       event.reverses_id,
       (SELECT reversal.id FROM stock_event AS reversal WHERE reversal.reverses_id = event.id) AS reversed_by_id,
       event.note, sku.expiry_date, sku.lot, sku.serial
  FROM stock_event AS event
  JOIN sku ON sku.id = event.sku_id;
ALTER TABLE reorg_move DROP COLUMN opened_on;
DROP INDEX sku__item_id__location_id__expiry_date__lot__serial__opened_on;
DROP INDEX sku__item_id__location_id__lot__serial__opened_on;
DROP INDEX sku__item_id__location_id__expiry_date__lot__serial;
DROP INDEX sku__item_id__location_id__lot__serial;
ALTER TABLE sku DROP COLUMN opened_on;
CREATE UNIQUE INDEX sku__item_id__location_id__lot__serial ON sku (item_id, location_id, lot, serial)
 WHERE expiry_date IS NULL;
CREATE UNIQUE INDEX sku__item_id__location_id__expiry_date__lot__serial
    ON sku (item_id, location_id, expiry_date, lot, serial)
 WHERE expiry_date IS NOT NULL;
ALTER TABLE item DROP COLUMN opened_days;
ALTER TABLE item DROP COLUMN shelf_life_days;
CREATE VIEW item_detail AS
SELECT item.id, item.code, item.name, item.description,
       (SELECT barcode.code FROM barcode WHERE barcode.item_id = item.id AND barcode.is_primary) AS upc,
       item.default_storage_type, item.is_active, item.uda_fetched, item.uda_fetch_attempted,
       item.upc_data AS upc_data_json,
       CAST(item.min_quantity_milli AS DOUBLE PRECISION) / 1000 AS min_quantity,
       CAST(item.reorder_quantity_milli AS DOUBLE PRECISION) / 1000 AS reorder_quantity,
       item.oversell_policy, item.needs_review,
       coalesce((SELECT json_group_array(json_object('barcode', b.code, 'pack_quantity', b.pack_milli / 1000.0))
              FROM (SELECT code, pack_milli FROM barcode WHERE barcode.item_id = item.id
                    ORDER BY is_primary DESC, id) AS b), '[]') AS barcodes_json,
       item.manufacturer_code, item.type_id,
       (SELECT item_type.name FROM item_type WHERE item_type.id = item.type_id) AS type_name,
       coalesce((SELECT json_group_array(t.name)
              FROM (SELECT tag.name FROM item_tag JOIN tag ON tag.id = item_tag.tag_id WHERE item_tag.item_id = item.id
                    ORDER BY tag.name_key) AS t), '[]') AS tags_json,
       item.seller, item.seller_link, item.image_document_id, item.merged_into_id,
       (SELECT item_amount.total_milli / 1000 FROM item_amount WHERE item_amount.item_id = item.id)
           AS total_quantity,
       (SELECT item_amount.unit FROM item_amount WHERE item_amount.item_id = item.id) AS unit,
       item.version, item.created_at, item.updated_at
  FROM item;
