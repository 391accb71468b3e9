ALTER TABLE sku DROP COLUMN unit_changed_at;
