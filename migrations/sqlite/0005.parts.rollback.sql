DROP VIEW item_detail;
DROP INDEX item_by_type;
ALTER TABLE item DROP COLUMN image_document_id;
ALTER TABLE item DROP COLUMN seller_link;
ALTER TABLE item DROP COLUMN seller;
ALTER TABLE item DROP COLUMN type_id;
ALTER TABLE item DROP COLUMN manufacturer_code;
DROP TABLE item_tag;
DROP TABLE tag;
DROP TABLE item_type;
CREATE VIEW item_detail AS
SELECT item.id, item.code, item.name, item.description,
       (SELECT barcode.code FROM barcode WHERE barcode.item_id = item.id AND barcode.is_primary) AS upc,
       item.default_storage_type, item.is_active, item.uda_fetched, item.uda_fetch_attempted,
       item.upc_data AS upc_data_json,
       CAST(item.min_quantity_milli AS DOUBLE PRECISION) / 1000 AS min_quantity,
       item.oversell_policy, item.needs_review,
       coalesce((SELECT json_group_array(json_object('barcode', b.code, 'pack_quantity', b.pack_milli / 1000.0))
                       FROM (SELECT code, pack_milli FROM barcode WHERE barcode.item_id = item.id ORDER BY is_primary DESC, id) AS b), '[]') AS barcodes_json,
       CAST((SELECT coalesce(sum(sku.quantity_milli), 0) FROM sku
              WHERE sku.item_id = item.id AND sku.is_active) AS DOUBLE PRECISION) / 1000 AS total_quantity,
       item.version, item.created_at, item.updated_at
  FROM item;
