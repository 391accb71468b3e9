-- The search: candidates from the index, and updates of the index.
-- Words and texts are normalised in Python; see stocky/search/normalize.py.

-- plan_for_values --
-- Until the transaction ends, Postgres plans each query for its values, not one plan for all. SQLite has one plan.
SELECT 1;

-- find_exact --
-- Active items with the code :code or the barcode :barcode, also in another form, with the matching field.
SELECT id AS item_id, 'code' AS field
  FROM item
 WHERE code = :code AND is_active
UNION
SELECT item.id, 'barcodes'
  FROM barcode
  JOIN item ON item.id = barcode.item_id AND item.is_active
 WHERE barcode.code_key IN (:barcode, :barcode_key);

-- find_verbatim --
-- Active items whose name or description matches the lower-case LIKE pattern :pattern.
SELECT id AS item_id, CASE WHEN contains(name, :pattern) THEN 'name' ELSE 'description' END AS field
  FROM item
 WHERE is_active AND (contains(name, :pattern) OR contains(description, :pattern))
 ORDER BY id
 LIMIT :limit;

-- find_by_name --
-- Active items whose name starts with :start, by name; :beyond sorts after all of them.
SELECT found.item_id, found.text
  FROM search_text AS found
  JOIN item ON item.id = found.item_id AND item.is_active
 WHERE found.name >= :start AND found.name < :beyond
 ORDER BY found.name, found.item_id
 LIMIT :limit;

-- find_containing --
-- Active items whose text matches all patterns; % matches every text.
SELECT found.item_id, found.text
  FROM search_text AS found
  JOIN item ON item.id = found.item_id AND item.is_active
 WHERE found.text LIKE :one AND found.text LIKE :two AND found.text LIKE :three AND found.text LIKE :four
 ORDER BY found.item_id
 LIMIT :limit;

-- find_texts --
-- The texts of the active ones of the items :ids.
SELECT found.item_id, found.text
  FROM search_text AS found
  JOIN item ON item.id = found.item_id AND item.is_active
 WHERE found.item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_item_locations --
-- The stock of the items :ids per location, largest first.
SELECT sku.item_id, location.id, location.name, location.path, location.storage_type, location.kind, location.box_no,
       location.loc_no, sum(CAST(sku.quantity_milli AS DOUBLE PRECISION)) / 1000 AS quantity, sku.unit,
       min(sku.expiry_date) AS expiry_date
  FROM sku
  JOIN location ON location.id = sku.location_id
 WHERE sku.is_active AND sku.item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 GROUP BY sku.item_id, location.id, location.name, location.path, location.storage_type, location.kind,
          location.box_no, location.loc_no, sku.unit
 ORDER BY sum(CAST(sku.quantity_milli AS DOUBLE PRECISION)) DESC, location.id;

-- list_pending --
-- The oldest marks of changed items.
SELECT id, item_id
  FROM search_pending
 ORDER BY id
 LIMIT :limit;

-- list_search_sources --
-- The text fields of the items :ids.
SELECT id AS item_id, is_active, code, name, description, manufacturer_code, type_name AS type, tags_json, seller,
       barcodes_json,
       (SELECT own.texts_json FROM fields_of_item AS own WHERE own.item_id = item_detail.id) AS fields_json
  FROM item_detail
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_document_names --
-- The names of the documents of the items :ids.
SELECT item_id, name
  FROM document
 WHERE item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY id;

-- list_item_ids --
-- All items after :after, page by page.
SELECT id AS item_id
  FROM item
 WHERE id > :after
 ORDER BY id
 LIMIT :limit;

-- list_search_texts --
-- The indexed texts of the items :ids.
SELECT item_id, name, text
  FROM search_text
 WHERE item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- add_search_text --
-- Adds an item to the index.
INSERT INTO search_text (item_id, name, text)
VALUES (:item_id, :name, :text);

-- remove_search_texts --
-- Removes the items :ids from the index.
DELETE FROM search_text
 WHERE item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- remove_pending --
-- Removes the processed marks :ids.
DELETE FROM search_pending
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- mark_missing --
-- Marks every item that the index lacks.
INSERT INTO search_pending (item_id)
SELECT id FROM item
EXCEPT SELECT item_id FROM search_text
EXCEPT SELECT item_id FROM search_pending;

-- list_marked --
-- Those of the items :ids that are marked.
SELECT item_id
  FROM search_pending
 WHERE item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- find_mark_of_all --
-- A row if there is the mark for all items that the index lacks.
SELECT 1
  FROM search_pending
 WHERE item_id = 0
 LIMIT 1;

-- mark_everything --
-- Adds the mark for all items that the index lacks.
INSERT INTO search_pending (item_id)
VALUES (0);

-- empty_search_index --
-- Empties the index.
DELETE FROM search_text;

-- holds_search_texts --
-- A row if the index has any text.
SELECT 1
  FROM search_text
 LIMIT 1;
