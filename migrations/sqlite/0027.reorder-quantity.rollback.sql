DROP VIEW item_detail;
DROP TABLE listed_project;
ALTER TABLE item DROP COLUMN reorder_quantity_milli;
CREATE VIEW item_detail AS
SELECT item.id, item.code, item.name, item.description,
       (SELECT barcode.code FROM barcode WHERE barcode.item_id = item.id AND barcode.is_primary) AS upc,
       item.default_storage_type, item.is_active, item.uda_fetched, item.uda_fetch_attempted,
       item.upc_data AS upc_data_json,
       CAST(item.min_quantity_milli AS DOUBLE PRECISION) / 1000 AS min_quantity,
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
