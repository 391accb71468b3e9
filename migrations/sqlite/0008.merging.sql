-- Two items that turned out to be one thing: what is merged keeps its row and its history, and says into what.
-- depends: 0007.boxes

ALTER TABLE item ADD COLUMN merged_into_id BIGINT REFERENCES item (id);
CREATE INDEX item_by_merged_into ON item (merged_into_id) WHERE merged_into_id IS NOT NULL;

-- What moved with a merge (JSON), so that it can be given back; batch_id names its stock events.
CREATE TABLE item_merge (
    id        INTEGER PRIMARY KEY,
    source_id BIGINT NOT NULL REFERENCES item (id),
    target_id BIGINT NOT NULL REFERENCES item (id),
    batch_id  TEXT NOT NULL,
    moved     TEXT NOT NULL DEFAULT '{}',
    user_id   BIGINT REFERENCES user_account (id),
    merged_at TIMESTAMPTZ NOT NULL,
    undone_at TIMESTAMPTZ,
    CONSTRAINT item_merge__no_nul CHECK (length(batch_id || moved || '.') = length(batch_id) + length(moved) + 1)
);
CREATE UNIQUE INDEX item_merge__source_id ON item_merge (source_id) WHERE undone_at IS NULL;
CREATE INDEX item_merge_by_source ON item_merge (source_id);
CREATE INDEX item_merge_by_target ON item_merge (target_id);

DROP VIEW item_detail;
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
       CAST((SELECT coalesce(sum(sku.quantity_milli), 0) FROM sku
              WHERE sku.item_id = item.id AND sku.is_active) AS DOUBLE PRECISION) / 1000 AS total_quantity,
       item.version, item.created_at, item.updated_at
  FROM item;
