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
