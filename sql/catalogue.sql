-- Items with their barcodes. The view `item_detail` has an item's columns as the API returns them.

-- add_item --
-- Adds an item; no row if the code is taken.
INSERT INTO item (code, name, description, default_storage_type, min_quantity_milli, reorder_quantity_milli,
                  shelf_life_days, opened_days, oversell_policy, needs_review, manufacturer_code, type_id, seller,
                  seller_link, created_at, updated_at)
VALUES (:code, :name, :description, :default_storage_type, :min_quantity_milli, :reorder_quantity_milli,
        :shelf_life_days, :opened_days, :oversell_policy, :needs_review, :manufacturer_code, :type_id, :seller,
        :seller_link, :created_at, :created_at)
ON CONFLICT (code) DO NOTHING
RETURNING id;

-- change_item --
-- Changes an item and increments its version.
UPDATE item
   SET name = :name, description = :description, default_storage_type = :default_storage_type,
       min_quantity_milli = :min_quantity_milli, reorder_quantity_milli = :reorder_quantity_milli,
       shelf_life_days = :shelf_life_days, opened_days = :opened_days, oversell_policy = :oversell_policy,
       needs_review = :needs_review, manufacturer_code = :manufacturer_code, type_id = :type_id, seller = :seller,
       seller_link = :seller_link, is_active = :is_active, version = version + 1, updated_at = :updated_at
 WHERE id = :id;

-- reactivate_items --
-- Brings the hidden items :ids back into use, for review.
UPDATE item
   SET is_active = TRUE, needs_review = TRUE, version = version + 1, updated_at = :updated_at
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- add_barcode --
-- Adds a barcode to an item; no row if an item has it.
INSERT INTO barcode (code, code_key, shared_key, item_id, pack_milli, is_primary)
VALUES (:code, :code_key, :shared_key, :item_id, :pack_milli, :is_primary)
ON CONFLICT DO NOTHING
RETURNING id;

-- claim_barcode --
-- Adds the first barcode of a new item; no row if an item has it.
INSERT INTO barcode (code, code_key, item_id, pack_milli, is_primary)
VALUES (:code, :code_key, :item_id, 1000, TRUE)
ON CONFLICT DO NOTHING
RETURNING id;

-- list_shared_barcodes --
-- The barcodes of an item whose number another one has, too, and the keys by which they are found.
SELECT code, code_key, shared_key
  FROM barcode
 WHERE item_id = :item_id AND shared_key IS NOT NULL;

-- remove_barcodes --
-- Removes all barcodes of an item.
DELETE FROM barcode
 WHERE item_id = :item_id;

-- free_shared_keys --
-- Gives the key that several barcodes share to the oldest of them, when no barcode has it any more.
UPDATE barcode
   SET code_key = shared_key, shared_key = NULL
 WHERE shared_key IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM barcode AS other
                    WHERE other.code_key = barcode.shared_key
                       OR (other.shared_key = barcode.shared_key AND other.id < barcode.id));

-- remove_stub --
-- Removes an item without references to it.
DELETE FROM item
 WHERE id = :item_id;

-- find_unused_stub --
-- The item :id, if no more is known of it than a code that was scanned, and all its events are undone.
SELECT item.id
  FROM item
 WHERE item.id = :id
   AND item.is_active AND item.needs_review
   AND item.description = '' AND item.seller = '' AND item.seller_link = '' AND item.manufacturer_code = ''
   AND item.default_storage_type = 'other' AND item.oversell_policy = 'allow'
   AND coalesce(item.min_quantity_milli, item.reorder_quantity_milli, item.shelf_life_days, item.opened_days,
                item.type_id, item.image_document_id, item.merged_into_id) IS NULL
   AND item.name = (SELECT CASE count(*) WHEN 1 THEN CAST(:unnamed AS TEXT) || max(barcode.code) END
                      FROM barcode WHERE barcode.item_id = item.id)
   AND NOT EXISTS (SELECT 1 FROM item_tag WHERE item_tag.item_id = item.id)
   AND NOT EXISTS (SELECT 1 FROM item_field_value WHERE item_field_value.item_id = item.id)
   AND NOT EXISTS (SELECT 1 FROM document WHERE document.item_id = item.id)
   AND NOT EXISTS (SELECT 1 FROM price WHERE price.item_id = item.id)
   AND NOT EXISTS (SELECT 1 FROM suggestion WHERE suggestion.item_id = item.id)
   AND NOT EXISTS (SELECT 1 FROM shopping_list_entry WHERE shopping_list_entry.item_id = item.id)
   AND NOT EXISTS (SELECT 1 FROM project_entry WHERE project_entry.item_id = item.id)
   AND NOT EXISTS (SELECT 1 FROM item_merge WHERE item_merge.target_id = item.id)
   AND NOT EXISTS (SELECT 1 FROM stock_event
                    WHERE stock_event.item_id = item.id AND stock_event.kind <> 'undo'
                      AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal
                                       WHERE reversal.reverses_id = stock_event.id));

-- get_item --
-- One item as answered.
SELECT id, code, name, description, upc, default_storage_type, is_active, uda_fetched, uda_fetch_attempted,
       upc_data_json, min_quantity, reorder_quantity, shelf_life_days, opened_days, oversell_policy, needs_review,
       barcodes_json, manufacturer_code, type_id, type_name, tags_json,
       (SELECT own.fields_json FROM fields_of_item AS own WHERE own.item_id = item_detail.id) AS fields_json,
       seller, seller_link, image_document_id, merged_into_id, total_quantity, unit, version, created_at, updated_at
  FROM item_detail
 WHERE id = :id;

-- find_item_by_code --
-- One item by its four-letter code; the code of a merged item finds the merge target.
SELECT id, code, name, description, upc, default_storage_type, is_active, uda_fetched, uda_fetch_attempted,
       upc_data_json, min_quantity, reorder_quantity, shelf_life_days, opened_days, oversell_policy, needs_review,
       barcodes_json, manufacturer_code, type_id, type_name, tags_json,
       (SELECT own.fields_json FROM fields_of_item AS own WHERE own.item_id = item_detail.id) AS fields_json,
       seller, seller_link, image_document_id, merged_into_id, total_quantity, unit, version, created_at, updated_at
  FROM item_detail
 WHERE id = (SELECT coalesce(item.merged_into_id, item.id) FROM item WHERE item.code = :code);

-- find_item_by_barcode --
-- One item by any of its barcodes: by its exact text :code, or else by the key :code_key.
SELECT id, code, name, description, upc, default_storage_type, is_active, uda_fetched, uda_fetch_attempted,
       upc_data_json, min_quantity, reorder_quantity, shelf_life_days, opened_days, oversell_policy, needs_review,
       barcodes_json, manufacturer_code, type_id, type_name, tags_json,
       (SELECT own.fields_json FROM fields_of_item AS own WHERE own.item_id = item_detail.id) AS fields_json,
       seller, seller_link, image_document_id, merged_into_id, total_quantity, unit, version, created_at, updated_at
  FROM item_detail
 WHERE id = (SELECT barcode.item_id FROM barcode
              WHERE barcode.code_key IN (:code, :code_key)
              ORDER BY CASE WHEN barcode.code_key = :code THEN 0 ELSE 1 END LIMIT 1);

-- list_items_by_id --
-- The items :ids, without their barcodes and tags.
SELECT id, code, name, description, default_storage_type, is_active, uda_fetched, uda_fetch_attempted, upc_data_json,
       min_quantity, reorder_quantity, shelf_life_days, opened_days, oversell_policy, needs_review, manufacturer_code,
       type_id, type_name, seller, seller_link, image_document_id, merged_into_id, total_quantity, unit, version,
       created_at, updated_at,
       (SELECT own.fields_json FROM fields_of_item AS own WHERE own.item_id = item_detail.id) AS fields_json
  FROM item_detail
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_item_versions --
-- The ids of items above :after in the order they were added, with their versions; all other filters optional.
SELECT item.id, item.version
  FROM item
 WHERE item.is_active = :is_active
   AND item.id > :after
   AND (CAST(:storage_type AS TEXT) IS NULL OR item.default_storage_type = :storage_type)
   AND (CAST(:needs_review AS BOOLEAN) IS NULL OR item.needs_review = :needs_review)
   AND (CAST(:type_id AS BIGINT) IS NULL OR item.type_id = :type_id)
   AND (CAST(:tag_key AS TEXT) IS NULL
        OR item.id IN (SELECT item_tag.item_id FROM item_tag JOIN tag ON tag.id = item_tag.tag_id
                        WHERE tag.name_key = :tag_key))
   AND (CAST(:location_id AS BIGINT) IS NULL
        OR item.id IN (SELECT sku.item_id FROM sku
                        WHERE sku.location_id = :location_id AND sku.quantity_milli <> 0))
   AND (CAST(:within AS BIGINT) IS NULL
        OR item.id IN (SELECT sku.item_id FROM sku
                        WHERE sku.location_id IN (locations_within(:within)) AND sku.quantity_milli <> 0))
   AND (CAST(:field_ranges AS TEXT) IS NULL OR item.id IN (items_with_fields(:field_ranges, :field_count)))
 ORDER BY /* sort: id = item.id; name = lower(item.name); code = item.code;
             default_storage_type = item.default_storage_type; seller = nullif(lower(item.seller), '') NULLS LAST;
             min_quantity = item.min_quantity_milli NULLS LAST;
             total_quantity = (SELECT item_amount.total_milli FROM item_amount WHERE item_amount.item_id = item.id);
             created_at = item.created_at; updated_at = item.updated_at */
          item.id
 LIMIT :limit OFFSET :skip;

-- count_items_in_use --
-- The number of active items: of all but the hidden ones, which are few.
SELECT (SELECT count(*) FROM item) - (SELECT count(*) FROM item WHERE NOT is_active);

-- list_item_versions_containing --
-- The same for items that match the LIKE pattern :pattern, in lower case. With :fragment, a part of the pattern, other
-- items than those whose indexed text contains it, or whose text is not indexed completely, are left out.
SELECT item.id, item.version
  FROM item
 WHERE item.is_active = :is_active
   AND item.id > :after
   AND (CAST(:storage_type AS TEXT) IS NULL OR item.default_storage_type = :storage_type)
   AND (CAST(:needs_review AS BOOLEAN) IS NULL OR item.needs_review = :needs_review)
   AND (CAST(:type_id AS BIGINT) IS NULL OR item.type_id = :type_id)
   AND (CAST(:tag_key AS TEXT) IS NULL
        OR item.id IN (SELECT item_tag.item_id FROM item_tag JOIN tag ON tag.id = item_tag.tag_id
                        WHERE tag.name_key = :tag_key))
   AND (CAST(:location_id AS BIGINT) IS NULL
        OR item.id IN (SELECT sku.item_id FROM sku
                        WHERE sku.location_id = :location_id AND sku.quantity_milli <> 0))
   AND (CAST(:within AS BIGINT) IS NULL
        OR item.id IN (SELECT sku.item_id FROM sku
                        WHERE sku.location_id IN (locations_within(:within)) AND sku.quantity_milli <> 0))
   AND (CAST(:field_ranges AS TEXT) IS NULL OR item.id IN (items_with_fields(:field_ranges, :field_count)))
   AND (CAST(:fragment AS TEXT) IS NULL
        OR item.id IN (items_indexed_with(:fragment)
                        UNION ALL SELECT item_id FROM search_pending
                        UNION ALL SELECT item_id FROM search_text WHERE length(text) > 8000))
   AND (contains(item.name, :pattern) OR contains(item.description, :pattern)
        OR contains(item.code, :pattern)
        OR EXISTS (SELECT 1 FROM barcode
                    WHERE barcode.item_id = item.id AND contains(barcode.code, :pattern)))
 ORDER BY /* sort: like list_item_versions */ item.id
 LIMIT :limit OFFSET :skip;

-- list_item_versions_with_cause --
-- The same for items with a cause of alerts of the type :alert_type, whether or not somebody has resolved the alert;
-- :pattern is optional.
SELECT item.id, item.version
  FROM item
 WHERE item.id IN (SELECT alert.item_id FROM alert WHERE alert.cause_lasts AND alert.alert_type = :alert_type)
   AND item.is_active = :is_active
   AND item.id > :after
   AND (CAST(:storage_type AS TEXT) IS NULL OR item.default_storage_type = :storage_type)
   AND (CAST(:needs_review AS BOOLEAN) IS NULL OR item.needs_review = :needs_review)
   AND (CAST(:type_id AS BIGINT) IS NULL OR item.type_id = :type_id)
   AND (CAST(:tag_key AS TEXT) IS NULL
        OR item.id IN (SELECT item_tag.item_id FROM item_tag JOIN tag ON tag.id = item_tag.tag_id
                        WHERE tag.name_key = :tag_key))
   AND (CAST(:location_id AS BIGINT) IS NULL
        OR item.id IN (SELECT sku.item_id FROM sku
                        WHERE sku.location_id = :location_id AND sku.quantity_milli <> 0))
   AND (CAST(:within AS BIGINT) IS NULL
        OR item.id IN (SELECT sku.item_id FROM sku
                        WHERE sku.location_id IN (locations_within(:within)) AND sku.quantity_milli <> 0))
   AND (CAST(:field_ranges AS TEXT) IS NULL OR item.id IN (items_with_fields(:field_ranges, :field_count)))
   AND (CAST(:pattern AS TEXT) IS NULL
        OR contains(item.name, :pattern) OR contains(item.description, :pattern)
        OR contains(item.code, :pattern)
        OR EXISTS (SELECT 1 FROM barcode
                    WHERE barcode.item_id = item.id AND contains(barcode.code, :pattern)))
 ORDER BY item.id
 LIMIT :limit OFFSET :skip;

-- list_item_versions_by_expiry --
-- The same for items with stock that expires from :first_day to :last_day, the earliest date first: with the SKU of that
-- date, after the one of the date :from_day with the id :after. CROSS JOIN makes SQLite begin with the index of expiry
-- dates, which has them in this order, so that a page reads no more than its own SKUs.
SELECT item.id, item.version, sku.id AS sku_id, sku.expiry_date
  FROM sku CROSS JOIN item
 WHERE item.id = sku.item_id
   AND sku.is_active
   AND sku.quantity_milli > 0
   AND sku.expiry_date >= :from_day
   AND sku.expiry_date <= :last_day
   AND (sku.expiry_date > :from_day OR sku.id > :after)
   -- Of several lots, the first one is where the item is.
   AND NOT EXISTS (SELECT 1 FROM sku AS sooner
                    WHERE sooner.item_id = sku.item_id
                      AND sooner.is_active
                      AND sooner.quantity_milli > 0
                      AND sooner.expiry_date >= :first_day
                      AND (sooner.expiry_date < sku.expiry_date
                           OR (sooner.expiry_date = sku.expiry_date AND sooner.id < sku.id)))
   AND item.is_active = :is_active
   AND (CAST(:storage_type AS TEXT) IS NULL OR item.default_storage_type = :storage_type)
   AND (CAST(:needs_review AS BOOLEAN) IS NULL OR item.needs_review = :needs_review)
   AND (CAST(:type_id AS BIGINT) IS NULL OR item.type_id = :type_id)
   AND (CAST(:tag_key AS TEXT) IS NULL
        OR item.id IN (SELECT item_tag.item_id FROM item_tag JOIN tag ON tag.id = item_tag.tag_id
                        WHERE tag.name_key = :tag_key))
   AND (CAST(:location_id AS BIGINT) IS NULL
        OR item.id IN (SELECT sku.item_id FROM sku
                        WHERE sku.location_id = :location_id AND sku.quantity_milli <> 0))
   AND (CAST(:within AS BIGINT) IS NULL
        OR item.id IN (SELECT sku.item_id FROM sku
                        WHERE sku.location_id IN (locations_within(:within)) AND sku.quantity_milli <> 0))
   AND (CAST(:field_ranges AS TEXT) IS NULL OR item.id IN (items_with_fields(:field_ranges, :field_count)))
   AND (CAST(:pattern AS TEXT) IS NULL
        OR contains(item.name, :pattern) OR contains(item.description, :pattern)
        OR contains(item.code, :pattern)
        OR EXISTS (SELECT 1 FROM barcode
                    WHERE barcode.item_id = item.id AND contains(barcode.code, :pattern)))
 ORDER BY sku.expiry_date, sku.id
 LIMIT :limit OFFSET :skip;

-- list_item_totals --
-- The total stock of the items :ids and its unit: of one unit by the sum of their SKUs, else as item_amount has them.
SELECT item.id,
       CASE WHEN min(sku.unit) = max(sku.unit) THEN sum(CAST(sku.quantity_milli AS DOUBLE PRECISION)) / 1000
            ELSE (SELECT item_amount.total_milli / 1000 FROM item_amount WHERE item_amount.item_id = item.id)
             END AS total_quantity,
       CASE WHEN min(sku.unit) = max(sku.unit) THEN min(sku.unit)
            ELSE (SELECT item_amount.unit FROM item_amount WHERE item_amount.item_id = item.id) END AS unit
  FROM item
  LEFT JOIN sku ON sku.item_id = item.id AND sku.is_active
 WHERE item.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 GROUP BY item.id;

-- list_barcodes_of --
-- The barcodes of the items :ids, each item's primary one first.
SELECT item_id, code, CAST(pack_milli AS DOUBLE PRECISION) / 1000 AS pack_quantity, is_primary
  FROM barcode
 WHERE item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY is_primary DESC, id;

-- list_barcodes_of_scales --
-- The barcodes that begin as variable-measure barcodes do, with their items.
SELECT barcode.code, barcode.code_key, barcode.item_id, item.name AS item_name
  FROM barcode
  JOIN item ON item.id = barcode.item_id
 WHERE length(barcode.code_key) = 14
   AND (barcode.code_key BETWEEN '02' AND '03' OR barcode.code_key BETWEEN '002' AND '003')
 ORDER BY barcode.code_key
 LIMIT :limit;

-- list_tags_of --
-- The tags of the items :ids.
SELECT item_tag.item_id, tag.name
  FROM item_tag
  JOIN tag ON tag.id = item_tag.tag_id
 WHERE item_tag.item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY tag.name_key;

-- item_holds_stock --
-- A row if any SKU of the item has a quantity other than 0.
SELECT 1
  FROM sku
 WHERE item_id = :item_id AND quantity_milli <> 0
 LIMIT 1;
