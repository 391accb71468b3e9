-- Alerts.

-- raise_alert --
-- An alert, unless an active one of this kind for this SKU is there.
INSERT INTO alert (alert_type, message, threshold_milli, sku_id, item_id, created_at, updated_at)
VALUES (:alert_type, :message, :threshold_milli, :sku_id, :item_id, :created_at, :created_at)
ON CONFLICT (alert_type, sku_id) WHERE is_active AND sku_id IS NOT NULL DO NOTHING;

-- resolve_alerts_of_sku --
-- The cause has gone.
UPDATE alert
   SET is_active = FALSE, updated_at = :updated_at
 WHERE alert_type = :alert_type AND sku_id = :sku_id AND is_active;

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
ON CONFLICT (alert_type, sku_id) WHERE is_active AND sku_id IS NOT NULL DO NOTHING
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
-- It is over.
UPDATE alert
   SET is_active = FALSE, updated_at = :updated_at
 WHERE id = :id;
