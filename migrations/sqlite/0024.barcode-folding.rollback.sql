-- Barcodes that share a key have the one that they had before; the others get it as 0010 gave it. Barcodes may still have
-- 500 characters, so that none is lost.
DROP INDEX item_by_manufacturer_code;
DROP INDEX barcode_sharing_key;
DROP INDEX barcode__code_key;
ALTER TABLE barcode ADD COLUMN old_key TEXT
    CHECK (old_key = code OR old_key = '0' || code OR old_key = '00' || code OR old_key = '000000' || code);
UPDATE barcode SET old_key = CASE WHEN shared_key IS NOT NULL THEN code_key
                                  WHEN ltrim(code, '0123456789') = '' AND length(code) IN (8, 12, 13, 14)
                                  THEN substr('000000', 1, 14 - length(code)) || code
                                  ELSE code END;
UPDATE barcode
   SET old_key = code
 WHERE CASE WHEN old_key = code THEN 0 ELSE
           3 * (CAST(substr(old_key, 1, 1) AS INTEGER) + CAST(substr(old_key, 3, 1) AS INTEGER)
                + CAST(substr(old_key, 5, 1) AS INTEGER) + CAST(substr(old_key, 7, 1) AS INTEGER)
                + CAST(substr(old_key, 9, 1) AS INTEGER) + CAST(substr(old_key, 11, 1) AS INTEGER)
                + CAST(substr(old_key, 13, 1) AS INTEGER))
           + CAST(substr(old_key, 2, 1) AS INTEGER) + CAST(substr(old_key, 4, 1) AS INTEGER)
             + CAST(substr(old_key, 6, 1) AS INTEGER) + CAST(substr(old_key, 8, 1) AS INTEGER)
             + CAST(substr(old_key, 10, 1) AS INTEGER) + CAST(substr(old_key, 12, 1) AS INTEGER)
             + CAST(substr(old_key, 14, 1) AS INTEGER) END % 10 <> 0;

ALTER TABLE barcode DROP COLUMN code_key;
ALTER TABLE barcode DROP COLUMN shared_key;
ALTER TABLE barcode RENAME COLUMN old_key TO code_key;
CREATE UNIQUE INDEX barcode__code_key ON barcode (code_key);
