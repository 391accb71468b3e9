-- An alert remembers whether its cause goes on, so that one that a person resolved does not come back with it.
-- depends: 0011.reorganisation

ALTER TABLE alert ADD COLUMN cause_lasts BOOLEAN NOT NULL DEFAULT FALSE;

-- What is below nothing was alerted to before, and nothing else was.
UPDATE alert
   SET cause_lasts = TRUE
 WHERE is_active AND alert_type = 'negative_stock' AND sku_id IS NOT NULL;

DROP INDEX alert__alert_type__sku_id;
CREATE UNIQUE INDEX alert__alert_type__sku_id ON alert (alert_type, sku_id)
 WHERE sku_id IS NOT NULL AND (is_active OR cause_lasts);
CREATE UNIQUE INDEX alert__alert_type__item_id ON alert (alert_type, item_id)
 WHERE sku_id IS NULL AND item_id IS NOT NULL AND (is_active OR cause_lasts);
CREATE INDEX alert_by_item ON alert (item_id) WHERE cause_lasts;
