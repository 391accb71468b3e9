-- UPC-A, EAN-13, EAN-8 and GTIN-14 of one product are one barcode: found by its key, and kept as it was entered.
-- depends: 0009.documents

-- A GTIN's key is its 14 digits, that of any other barcode its own text. Only the key of a row that comes from
-- elsewhere may be missing, until whoever took it in has put it there.
ALTER TABLE barcode ADD COLUMN code_key TEXT
    CHECK (code_key = code OR code_key = '0' || code OR code_key = '00' || code OR code_key = '000000' || code);

UPDATE barcode
   SET code_key = CASE WHEN ltrim(code, '0123456789') = '' AND length(code) IN (8, 12, 13, 14)
                       THEN substr('000000', 1, 14 - length(code)) || code
                       ELSE code END;

-- Not a GTIN after all: its last digit is not its check digit.
UPDATE barcode
   SET code_key = code
 WHERE CASE WHEN code_key = code THEN 0 ELSE
           3 * (CAST(substr(code_key, 1, 1) AS INTEGER) + CAST(substr(code_key, 3, 1) AS INTEGER)
                + CAST(substr(code_key, 5, 1) AS INTEGER) + CAST(substr(code_key, 7, 1) AS INTEGER)
                + CAST(substr(code_key, 9, 1) AS INTEGER) + CAST(substr(code_key, 11, 1) AS INTEGER)
                + CAST(substr(code_key, 13, 1) AS INTEGER))
           + CAST(substr(code_key, 2, 1) AS INTEGER) + CAST(substr(code_key, 4, 1) AS INTEGER)
           + CAST(substr(code_key, 6, 1) AS INTEGER) + CAST(substr(code_key, 8, 1) AS INTEGER)
           + CAST(substr(code_key, 10, 1) AS INTEGER) + CAST(substr(code_key, 12, 1) AS INTEGER)
           + CAST(substr(code_key, 14, 1) AS INTEGER) END % 10 <> 0;

CREATE INDEX barcode_meanwhile ON barcode (code_key);

-- The same barcode twice on one item, counting the same: one is enough.
DELETE FROM barcode
 WHERE EXISTS (SELECT 1 FROM barcode AS kept
                WHERE kept.code_key = barcode.code_key AND kept.id <> barcode.id
                  AND kept.item_id = barcode.item_id AND kept.pack_milli = barcode.pack_milli
                  AND (kept.is_primary OR (NOT barcode.is_primary AND kept.id < barcode.id)));

-- Still the same, and they stand for different things: the first keeps the key, the others are found by their own
-- text, as they were until now.
UPDATE barcode
   SET code_key = code
 WHERE code_key <> code
   AND EXISTS (SELECT 1 FROM barcode AS first
                WHERE first.code_key = barcode.code_key AND first.id <> barcode.id
                  AND (first.code = first.code_key OR first.id < barcode.id));

DROP INDEX barcode_meanwhile;
CREATE UNIQUE INDEX barcode__code_key ON barcode (code_key);
