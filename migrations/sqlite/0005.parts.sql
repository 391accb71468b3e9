-- What parts need beside a name: a type, tags, the manufacturer's code, the seller, a picture.
-- depends: 0004.jobs

-- A name is unique by its key: case-folded in Python, so that both dialects agree on what is the same.
CREATE TABLE item_type (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    name_key    TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '' CHECK (length(description) <= 1000),
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    CONSTRAINT item_type__no_nul
        CHECK (length(name || description || '.') = length(name) + length(description) + 1)
);
CREATE UNIQUE INDEX item_type__name_key ON item_type (name_key);

CREATE TABLE tag (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 50),
    name_key   TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT tag__no_nul CHECK (length(name || '.') = length(name) + 1)
);
CREATE UNIQUE INDEX tag__name_key ON tag (name_key);

CREATE TABLE item_tag (
    item_id BIGINT NOT NULL REFERENCES item (id),
    tag_id  BIGINT NOT NULL REFERENCES tag (id),
    PRIMARY KEY (item_id, tag_id)
);
CREATE INDEX item_tag_by_tag ON item_tag (tag_id);

ALTER TABLE item ADD COLUMN manufacturer_code TEXT NOT NULL DEFAULT ''
    CONSTRAINT item_manufacturer_code__no_nul
        CHECK (length(manufacturer_code) <= 200 AND length(manufacturer_code || '.') = length(manufacturer_code) + 1);
ALTER TABLE item ADD COLUMN type_id BIGINT REFERENCES item_type (id);
ALTER TABLE item ADD COLUMN seller TEXT NOT NULL DEFAULT ''
    CONSTRAINT item_seller__no_nul CHECK (length(seller) <= 200 AND length(seller || '.') = length(seller) + 1);
ALTER TABLE item ADD COLUMN seller_link TEXT NOT NULL DEFAULT ''
    CONSTRAINT item_seller_link__no_nul
        CHECK (length(seller_link) <= 2000 AND length(seller_link || '.') = length(seller_link) + 1);
ALTER TABLE item ADD COLUMN image_document_id BIGINT;
CREATE INDEX item_by_type ON item (type_id) WHERE type_id IS NOT NULL;

-- An item as it is answered. Only the JSON functions differ between the dialects.
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
       item.seller, item.seller_link, item.image_document_id,
       CAST((SELECT coalesce(sum(sku.quantity_milli), 0) FROM sku
              WHERE sku.item_id = item.id AND sku.is_active) AS DOUBLE PRECISION) / 1000 AS total_quantity,
       item.version, item.created_at, item.updated_at
  FROM item;
