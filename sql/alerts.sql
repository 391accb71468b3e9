-- Alerts.

-- list_causes --
-- What there is to be alerted to about the items :ids, each with the alert that tells of it, if one does; and after
-- them (is_gone) the alerts whose cause has gone. :today is the first day on which a lot is not expired, :soon the
-- last on which it counts as expiring.
WITH chosen (id) AS (
    SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))
), cause (alert_type, item_id, sku_id, threshold_milli) AS (
    SELECT 'low_stock', item.id, CAST(NULL AS BIGINT), item.min_quantity_milli
      FROM chosen JOIN item ON item.id = chosen.id
     WHERE item.is_active
       AND item.min_quantity_milli >= (SELECT item_amount.total_milli FROM item_amount
                                        WHERE item_amount.item_id = item.id)
    UNION ALL
    SELECT 'negative_stock', sku.item_id, sku.id, 0
      FROM chosen JOIN sku ON sku.item_id = chosen.id
     WHERE sku.quantity_milli < 0
    UNION ALL
    SELECT CASE WHEN sku.expiry_date < :today THEN 'expired' ELSE 'expiring' END, sku.item_id, sku.id, NULL
      FROM chosen JOIN sku ON sku.item_id = chosen.id
     WHERE sku.quantity_milli > 0 AND sku.expiry_date <= :soon
    UNION ALL
    SELECT 'storage_mismatch', sku.item_id, sku.id, NULL
      FROM chosen
      JOIN sku ON sku.item_id = chosen.id
      JOIN item ON item.id = chosen.id
      JOIN location ON location.id = sku.location_id
     WHERE sku.quantity_milli > 0
       AND ((item.default_storage_type = 'freezer' AND location.storage_type <> 'freezer')
            OR (item.default_storage_type = 'refrigerator'
                AND location.storage_type NOT IN ('refrigerator', 'freezer')))
)
SELECT cause.alert_type, cause.item_id, cause.sku_id, cause.threshold_milli, item.name AS item_name,
       location.name AS location_name, item.default_storage_type AS storage_type, sku.expiry_date,
       alert.id AS alert_id, alert.message, FALSE AS is_gone
  FROM cause
  JOIN item ON item.id = cause.item_id
  LEFT JOIN sku ON sku.id = cause.sku_id
  LEFT JOIN location ON location.id = sku.location_id
  LEFT JOIN alert ON alert.item_id = cause.item_id AND alert.alert_type = cause.alert_type AND alert.cause_lasts
                 AND coalesce(alert.sku_id, 0) = coalesce(cause.sku_id, 0)
UNION ALL
SELECT alert.alert_type, alert.item_id, alert.sku_id, NULL, '', NULL, '', NULL, alert.id, alert.message, TRUE
  FROM chosen
  JOIN alert ON alert.item_id = chosen.id
 WHERE alert.cause_lasts
   AND NOT EXISTS (SELECT 1 FROM cause
                    WHERE cause.item_id = alert.item_id AND cause.alert_type = alert.alert_type
                      AND coalesce(cause.sku_id, 0) = coalesce(alert.sku_id, 0));

-- raise_alert --
-- An alert for a cause, unless there is one for it: active, or resolved by a person while the cause goes on.
INSERT INTO alert (alert_type, message, threshold_milli, sku_id, item_id, cause_lasts, created_at, updated_at)
VALUES (:alert_type, :message, :threshold_milli, :sku_id, :item_id, TRUE, :created_at, :created_at)
ON CONFLICT DO NOTHING;

-- reword_alert --
-- What an alert tells of has another name or another threshold now.
UPDATE alert
   SET message = :message, threshold_milli = :threshold_milli, updated_at = :updated_at
 WHERE id = :id;

-- end_causes --
-- What the alerts :ids tell of has gone, so they are over.
UPDATE alert
   SET is_active = FALSE, cause_lasts = FALSE, updated_at = :updated_at
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_watched_items --
-- Items behind :after that there may be something to be alerted to about, :limit at most.
SELECT item.id
  FROM item
 WHERE item.id > :after
   AND (item.min_quantity_milli IS NOT NULL
        OR EXISTS (SELECT 1 FROM sku
                    WHERE sku.item_id = item.id
                      AND (sku.quantity_milli < 0
                           OR (sku.quantity_milli > 0
                               AND (sku.expiry_date IS NOT NULL
                                    OR item.default_storage_type IN ('freezer', 'refrigerator')))))
        OR EXISTS (SELECT 1 FROM alert WHERE alert.item_id = item.id AND alert.cause_lasts))
 ORDER BY item.id
 LIMIT :limit;

-- list_items_with_skus_at --
-- Items that have a SKU at one of the locations :ids.
SELECT DISTINCT item_id
  FROM sku
 WHERE is_active AND location_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- renew_service_alert --
-- What is wrong with the service itself, said again: the active alert of this kind says it in new words.
UPDATE alert
   SET message = :message, updated_at = :updated_at
 WHERE alert_type = :alert_type AND sku_id IS NULL AND item_id IS NULL AND is_active;

-- resolve_service_alerts --
-- The service is well again in this respect.
UPDATE alert
   SET is_active = FALSE, updated_at = :updated_at
 WHERE alert_type = :alert_type AND sku_id IS NULL AND item_id IS NULL AND is_active;

-- add_alert --
-- An alert that a person raises; nothing when an active one of its kind is there for the SKU.
INSERT INTO alert (alert_type, message, threshold_milli, sku_id, item_id, created_at, updated_at)
VALUES (:alert_type, :message, :threshold_milli, :sku_id, (SELECT sku.item_id FROM sku WHERE sku.id = :sku_id),
        :created_at, :created_at)
ON CONFLICT DO NOTHING
RETURNING id;

-- get_alert --
-- One alert.
SELECT id, alert_type, message, CAST(threshold_milli AS DOUBLE PRECISION) / 1000 AS threshold_value, is_active,
       is_acknowledged, acknowledged_at, sku_id, item_id, created_at, updated_at
  FROM alert
 WHERE id = :id;

-- list_alerts --
-- Alerts, newest first.
SELECT id, alert_type, message, CAST(threshold_milli AS DOUBLE PRECISION) / 1000 AS threshold_value, is_active,
       is_acknowledged, acknowledged_at, sku_id, item_id, created_at, updated_at
  FROM alert
 WHERE is_active OR NOT :active_only
 ORDER BY id DESC
 LIMIT :limit OFFSET :skip;

-- acknowledge_alert --
-- Someone has seen it; the first time counts.
UPDATE alert
   SET is_acknowledged = TRUE, acknowledged_at = coalesce(acknowledged_at, :acknowledged_at),
       updated_at = :acknowledged_at
 WHERE id = :id;

-- resolve_alert --
-- A person says that it is over; while its cause goes on it does not come back.
UPDATE alert
   SET is_active = FALSE, updated_at = :updated_at
 WHERE id = :id;
