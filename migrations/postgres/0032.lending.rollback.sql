DROP VIEW loan_detail;
DROP VIEW loan_claim;
CREATE OR REPLACE VIEW item_amount AS
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
DROP TABLE loan_return;
DROP TABLE loan;
DROP INDEX location_person;
ALTER TABLE location DROP COLUMN kind;
