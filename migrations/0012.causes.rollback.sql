DROP INDEX alert_by_item;
DROP INDEX alert__alert_type__item_id;
DROP INDEX alert__alert_type__sku_id;
CREATE UNIQUE INDEX alert__alert_type__sku_id ON alert (alert_type, sku_id) WHERE is_active AND sku_id IS NOT NULL;
ALTER TABLE alert DROP COLUMN cause_lasts;
