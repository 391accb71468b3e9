-- Stock of one item in several units: totals in its main unit, and what the sides of a move between two units weigh.
-- depends: 0017.writers-lock

-- Of a move between two units: a thousandth of this side, in a common part of both; the sides sum to 0 in it.
ALTER TABLE stock_event ADD COLUMN unit_scale BIGINT CHECK (unit_scale > 0);

-- Views are dumped in the order of their names, so what another is made of comes before it in the alphabet.
-- As stocky/stock/units.py has it, where the sizes are explained; a pack's is its item's to say.
-- Under a name of its own, Postgres writes the list the same way however often it is dumped and restored.
CREATE VIEW counting_unit AS
SELECT unit.name, unit.kind, unit.size
  FROM (VALUES
        ('mg', 'mass', 1600), ('milligram', 'mass', 1600), ('milligrams', 'mass', 1600),
        ('milligramme', 'mass', 1600), ('milligrammes', 'mass', 1600),
        ('g', 'mass', 1600000), ('gram', 'mass', 1600000), ('grams', 'mass', 1600000), ('gramme', 'mass', 1600000),
        ('grammes', 'mass', 1600000),
        ('kg', 'mass', 1600000000), ('kgs', 'mass', 1600000000), ('kilo', 'mass', 1600000000),
        ('kilos', 'mass', 1600000000), ('kilogram', 'mass', 1600000000), ('kilograms', 'mass', 1600000000),
        ('kilogramme', 'mass', 1600000000), ('kilogrammes', 'mass', 1600000000),
        ('oz', 'mass', 45359237), ('ounce', 'mass', 45359237), ('ounces', 'mass', 45359237),
        ('lb', 'mass', 725747792), ('lbs', 'mass', 725747792), ('pound', 'mass', 725747792),
        ('pounds', 'mass', 725747792),
        ('ml', 'volume', 1), ('milliliter', 'volume', 1), ('milliliters', 'volume', 1), ('millilitre', 'volume', 1),
        ('millilitres', 'volume', 1),
        ('cl', 'volume', 10), ('centiliter', 'volume', 10), ('centiliters', 'volume', 10),
        ('centilitre', 'volume', 10), ('centilitres', 'volume', 10),
        ('dl', 'volume', 100), ('deciliter', 'volume', 100), ('deciliters', 'volume', 100),
        ('decilitre', 'volume', 100), ('decilitres', 'volume', 100),
        ('l', 'volume', 1000), ('liter', 'volume', 1000), ('liters', 'volume', 1000), ('litre', 'volume', 1000),
        ('litres', 'volume', 1000),
        ('mm', 'length', 1), ('millimeter', 'length', 1), ('millimeters', 'length', 1), ('millimetre', 'length', 1),
        ('millimetres', 'length', 1),
        ('cm', 'length', 10), ('centimeter', 'length', 10), ('centimeters', 'length', 10),
        ('centimetre', 'length', 10), ('centimetres', 'length', 10),
        ('m', 'length', 1000), ('meter', 'length', 1000), ('meters', 'length', 1000), ('metre', 'length', 1000),
        ('metres', 'length', 1000),
        ('piece', 'count', 1000), ('pieces', 'count', 1000), ('pc', 'count', 1000), ('pcs', 'count', 1000),
        ('pack', 'count', NULL), ('packs', 'count', NULL), ('package', 'count', NULL), ('packages', 'count', NULL)
       ) AS unit (name, kind, size);

-- What there is of an item, in thousandths of its main unit: that of its oldest SKU which is not hidden, or else of
-- its oldest one. What is of another kind is not in it. `removable_milli` leaves out what is below zero.
CREATE VIEW item_amount AS
SELECT item.id AS item_id,
       (SELECT sku.unit FROM sku WHERE sku.item_id = item.id ORDER BY sku.is_active DESC, sku.id LIMIT 1) AS unit,
       (SELECT CASE WHEN count(*) = 0 THEN 0.0
                    WHEN min(sku.unit) = max(sku.unit) THEN
                        sum(CAST(sku.quantity_milli AS DOUBLE PRECISION))
                    ELSE (SELECT coalesce(round(CAST(sum(
                                 CASE WHEN coalesce(own.size, 0) = coalesce(goal.size, 0)
                                      THEN CAST(lot.quantity_milli AS DOUBLE PRECISION)
                                      ELSE CAST(lot.quantity_milli AS DOUBLE PRECISION)
                                           * coalesce(own.size, pack.size) / coalesce(goal.size, pack.size) END
                                 ) AS NUMERIC)), 0.0)
                            FROM (SELECT first.unit FROM sku AS first
                                   WHERE first.item_id = item.id AND first.is_active
                                   ORDER BY first.id LIMIT 1) AS main
                           CROSS JOIN (SELECT CASE WHEN count(DISTINCT barcode.pack_milli) = 1
                                                   THEN min(barcode.pack_milli) END AS size
                                         FROM barcode
                                        WHERE barcode.item_id = item.id AND barcode.pack_milli <> 1000) AS pack
                            JOIN sku AS lot ON lot.item_id = item.id AND lot.is_active
                            LEFT JOIN counting_unit AS own ON own.name = lower(trim(lot.unit))
                            LEFT JOIN counting_unit AS goal ON goal.name = lower(trim(main.unit))
                           WHERE own.kind = goal.kind OR lower(trim(lot.unit)) = lower(trim(main.unit))) END
          FROM sku WHERE sku.item_id = item.id AND sku.is_active) AS total_milli,
       (SELECT CASE WHEN count(*) = 0 THEN 0.0
                    WHEN min(sku.unit) = max(sku.unit) THEN
                        sum(CASE WHEN sku.quantity_milli > 0 THEN CAST(sku.quantity_milli AS DOUBLE PRECISION)
                             ELSE 0.0 END)
                    ELSE (SELECT coalesce(round(CAST(sum(
                                 CASE WHEN coalesce(own.size, 0) = coalesce(goal.size, 0)
                                      THEN CAST(lot.quantity_milli AS DOUBLE PRECISION)
                                      ELSE CAST(lot.quantity_milli AS DOUBLE PRECISION)
                                           * coalesce(own.size, pack.size) / coalesce(goal.size, pack.size) END
                                 ) AS NUMERIC)), 0.0)
                            FROM (SELECT first.unit FROM sku AS first
                                   WHERE first.item_id = item.id AND first.is_active
                                   ORDER BY first.id LIMIT 1) AS main
                           CROSS JOIN (SELECT CASE WHEN count(DISTINCT barcode.pack_milli) = 1
                                                   THEN min(barcode.pack_milli) END AS size
                                         FROM barcode
                                        WHERE barcode.item_id = item.id AND barcode.pack_milli <> 1000) AS pack
                            JOIN sku AS lot ON lot.item_id = item.id AND lot.is_active AND lot.quantity_milli > 0
                            LEFT JOIN counting_unit AS own ON own.name = lower(trim(lot.unit))
                            LEFT JOIN counting_unit AS goal ON goal.name = lower(trim(main.unit))
                           WHERE own.kind = goal.kind OR lower(trim(lot.unit)) = lower(trim(main.unit))) END
          FROM sku WHERE sku.item_id = item.id AND sku.is_active) AS removable_milli
  FROM item;

-- An item as it is answered. Only the JSON functions differ between the dialects.
DROP VIEW item_detail;
CREATE VIEW item_detail AS
SELECT item.id, item.code, item.name, item.description,
       (SELECT barcode.code FROM barcode WHERE barcode.item_id = item.id AND barcode.is_primary) AS upc,
       item.default_storage_type, item.is_active, item.uda_fetched, item.uda_fetch_attempted,
       item.upc_data AS upc_data_json,
       CAST(item.min_quantity_milli AS DOUBLE PRECISION) / 1000 AS min_quantity,
       item.oversell_policy, item.needs_review,
       coalesce((SELECT json_agg(json_build_object('barcode', b.code, 'pack_quantity', b.pack_milli / 1000.0))
              FROM (SELECT code, pack_milli FROM barcode WHERE barcode.item_id = item.id
                    ORDER BY is_primary DESC, id) AS b), '[]') AS barcodes_json,
       item.manufacturer_code, item.type_id,
       (SELECT item_type.name FROM item_type WHERE item_type.id = item.type_id) AS type_name,
       coalesce((SELECT json_agg(t.name)
              FROM (SELECT tag.name FROM item_tag JOIN tag ON tag.id = item_tag.tag_id WHERE item_tag.item_id = item.id
                    ORDER BY tag.name_key) AS t), '[]') AS tags_json,
       item.seller, item.seller_link, item.image_document_id, item.merged_into_id,
       (SELECT item_amount.total_milli / 1000 FROM item_amount WHERE item_amount.item_id = item.id)
           AS total_quantity,
       (SELECT item_amount.unit FROM item_amount WHERE item_amount.item_id = item.id) AS unit,
       item.version, item.created_at, item.updated_at
  FROM item;
