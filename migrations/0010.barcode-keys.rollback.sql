DROP INDEX barcode__code_key;
ALTER TABLE barcode DROP COLUMN code_key;
