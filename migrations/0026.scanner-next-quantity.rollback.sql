ALTER TABLE scanner DROP COLUMN next_quantity_milli;
