-- What scanners put around a code is no part of it, and UPC-E, ISBN-10, hyphens and add-ons are forms of one number:
-- every barcode gets the key that `normalize_barcode` of stocky/barcodes/codes.py gives it, which says why. A barcode
-- may have 500 characters. Both dialects have the same text up to where the keys are written.
-- depends: 0023.attention

CREATE TABLE barcode_around (value TEXT NOT NULL);
INSERT INTO barcode_around (value)
SELECT value FROM json_each(CAST(
    '["' || '\u0001\u0002\u0003\u0004\u0005\u0006\u0007\u0008\u0009\u000a\u000b\u000c\u000d\u000e\u000f\u0010'
    || '\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f\u0020'
    || '\u007f\u0080\u0081\u0082\u0083\u0084\u0085\u0086\u0087\u0088\u0089\u008a\u008b\u008c\u008d\u008e'
    || '\u008f\u0090\u0091\u0092\u0093\u0094\u0095\u0096\u0097\u0098\u0099\u009a\u009b\u009c\u009d\u009e'
    || '\u009f\u00a0\u00ad\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a'
    || '\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061'
    || '\u2062\u2063\u2064\u2065\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e\u206f\u2402\u2403'
    || '\u2404\u2409\u240a\u240d\u241d\u241e\u3000\ufeff' || '"]'
    AS TEXT));

-- `bare` is the code without these characters and its AIM identifier, `digits` is it without hyphens and blanks.
CREATE TABLE barcode_fold (
    id           BIGINT PRIMARY KEY,
    bare         TEXT NOT NULL,
    symbol       TEXT NOT NULL DEFAULT '',
    digits       TEXT NOT NULL DEFAULT '',
    is_separated BOOLEAN NOT NULL DEFAULT FALSE,
    old_key      TEXT NOT NULL,
    new_key      TEXT NOT NULL,
    is_first     BOOLEAN NOT NULL DEFAULT FALSE
);
INSERT INTO barcode_fold (id, bare, old_key, new_key)
SELECT barcode.id, ltrim(rtrim(barcode.code, barcode_around.value), barcode_around.value),
       coalesce(barcode.code_key, barcode.code), barcode.code
  FROM barcode CROSS JOIN barcode_around;

-- An AIM identifier, unless nothing or another one follows it.
UPDATE barcode_fold
   SET symbol = substr(bare, 2, 2),
       bare = ltrim(substr(bare, 4), (SELECT value FROM barcode_around))
 WHERE substr(bare, 1, 1) = ']' AND length(bare) > 3
   AND ltrim(substr(bare, 2, 1), 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz') = ''
   AND ltrim(substr(bare, 3, 1), '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz') = ''
   AND NOT (substr(ltrim(substr(bare, 4), (SELECT value FROM barcode_around)), 1, 1) = ']'
            AND length(ltrim(substr(bare, 4), (SELECT value FROM barcode_around))) > 2
            AND ltrim(substr(ltrim(substr(bare, 4), (SELECT value FROM barcode_around)), 2, 1),
                      'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz') = ''
            AND ltrim(substr(ltrim(substr(bare, 4), (SELECT value FROM barcode_around)), 3, 1),
                      '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz') = '');

UPDATE barcode_fold SET new_key = bare WHERE bare <> '';
UPDATE barcode_fold SET digits = replace(replace(bare, '-', ''), ' ', '');
UPDATE barcode_fold
   SET is_separated = TRUE
 WHERE length(digits) IN (14, 15) AND substr(bare, length(bare) - 2, 1) IN ('-', ' ')
   AND ltrim(substr(bare, length(bare) - 1), '0123456789') = ''
    OR length(digits) IN (17, 18) AND substr(bare, length(bare) - 5, 1) IN ('-', ' ')
   AND ltrim(substr(bare, length(bare) - 4), '0123456789') = '';

-- The numbers that a code may be a form of, with 18 digits each; the first in order whose check digit is right is its.
CREATE TABLE barcode_number (fold_id BIGINT NOT NULL, preference INTEGER NOT NULL, number TEXT NOT NULL);
-- A UPC-E that is marked as one, before what else it may be, and any other after it.
INSERT INTO barcode_number (fold_id, preference, number)
SELECT id, CASE WHEN symbol = 'E0' AND bare = digits THEN 0 ELSE 2 END,
       substr('000000000000000000' || upc_a, length(upc_a) + 1)
  FROM (SELECT id, symbol, bare, digits,
               CASE WHEN substr(digits, 7, 1) IN ('0', '1', '2')
                           THEN substr(digits, 1, 3) || substr(digits, 7, 1) || '0000' || substr(digits, 4, 3)
                                || substr(digits, 8, 1)
                           WHEN substr(digits, 7, 1) = '3'
                           THEN substr(digits, 1, 4) || '00000' || substr(digits, 5, 2) || substr(digits, 8, 1)
                           WHEN substr(digits, 7, 1) = '4'
                           THEN substr(digits, 1, 5) || '00000' || substr(digits, 6, 1) || substr(digits, 8, 1)
                           ELSE substr(digits, 1, 6) || '0000' || substr(digits, 7, 2) END AS upc_a
          FROM barcode_fold
         WHERE length(digits) = 8 AND ltrim(digits, '0123456789') = ''
           AND substr(digits, 1, 1) IN ('0', '1')
           -- Each UPC-A has one UPC-E; others would expand to the UPC-A of another.
           AND CASE substr(digits, 7, 1) WHEN '0' THEN TRUE WHEN '1' THEN TRUE WHEN '2' THEN TRUE
                    WHEN '3' THEN substr(digits, 4, 1) NOT IN ('0', '1', '2')
                    WHEN '4' THEN substr(digits, 5, 1) <> '0'
                    ELSE substr(digits, 6, 1) <> '0' END) AS expanded
 -- A key of an EAN-8 begins like that.
 WHERE substr(upc_a, 1, 4) <> '0000';
INSERT INTO barcode_number (fold_id, preference, number)
SELECT id, 1, substr('000000000000000000' || digits, length(digits) + 1)
  FROM barcode_fold
 WHERE length(digits) IN (8, 12, 13, 14) AND ltrim(digits, '0123456789') = '';
-- An ISBN-10, as its EAN-13.
INSERT INTO barcode_number (fold_id, preference, number)
SELECT id, 3, '00000978' || substr(digits, 1, 9) || CAST((10 - (
           38 + 3 * CAST(substr(digits, 1, 1) AS INTEGER) + 1 * CAST(substr(digits, 2, 1) AS INTEGER)
           + 3 * CAST(substr(digits, 3, 1) AS INTEGER) + 1 * CAST(substr(digits, 4, 1) AS INTEGER)
           + 3 * CAST(substr(digits, 5, 1) AS INTEGER) + 1 * CAST(substr(digits, 6, 1) AS INTEGER)
           + 3 * CAST(substr(digits, 7, 1) AS INTEGER) + 1 * CAST(substr(digits, 8, 1) AS INTEGER)
           + 3 * CAST(substr(digits, 9, 1) AS INTEGER)
           ) % 10) % 10 AS TEXT)
  FROM barcode_fold
 WHERE length(digits) = 10 AND CASE WHEN ltrim(substr(digits, 1, 9), '0123456789') = ''
                                     AND ltrim(substr(digits, 10, 1), '0123456789Xx') = ''
                               THEN (
           10 * CAST(substr(digits, 1, 1) AS INTEGER) + 9 * CAST(substr(digits, 2, 1) AS INTEGER)
           + 8 * CAST(substr(digits, 3, 1) AS INTEGER) + 7 * CAST(substr(digits, 4, 1) AS INTEGER)
           + 6 * CAST(substr(digits, 5, 1) AS INTEGER) + 5 * CAST(substr(digits, 6, 1) AS INTEGER)
           + 4 * CAST(substr(digits, 7, 1) AS INTEGER) + 3 * CAST(substr(digits, 8, 1) AS INTEGER)
           + 2 * CAST(substr(digits, 9, 1) AS INTEGER)
           + CASE WHEN substr(digits, 10, 1) IN ('X', 'x') THEN 10
                  ELSE CAST(substr(digits, 10, 1) AS INTEGER) END) % 11 END = 0;
-- What is before an add-on of two or five digits: without a sign between them, only magazines and books have one.
INSERT INTO barcode_number (fold_id, preference, number)
SELECT id, 4, CASE WHEN length(digits) IN (14, 17) THEN '000000' || substr(digits, 1, 12)
                   ELSE '00000' || substr(digits, 1, 13) END
  FROM barcode_fold
 WHERE ltrim(digits, '0123456789') = ''
   AND (is_separated OR (length(digits) IN (15, 18) AND substr(digits, 1, 3) IN ('977', '978', '979')));

DELETE FROM barcode_number
 WHERE (3 * (CAST(substr(number, 1, 1) AS INTEGER) + CAST(substr(number, 3, 1) AS INTEGER)
            + CAST(substr(number, 5, 1) AS INTEGER) + CAST(substr(number, 7, 1) AS INTEGER)
            + CAST(substr(number, 9, 1) AS INTEGER) + CAST(substr(number, 11, 1) AS INTEGER)
            + CAST(substr(number, 13, 1) AS INTEGER) + CAST(substr(number, 15, 1) AS INTEGER)
            + CAST(substr(number, 17, 1) AS INTEGER))
        + CAST(substr(number, 2, 1) AS INTEGER) + CAST(substr(number, 4, 1) AS INTEGER)
          + CAST(substr(number, 6, 1) AS INTEGER) + CAST(substr(number, 8, 1) AS INTEGER)
          + CAST(substr(number, 10, 1) AS INTEGER) + CAST(substr(number, 12, 1) AS INTEGER)
          + CAST(substr(number, 14, 1) AS INTEGER) + CAST(substr(number, 16, 1) AS INTEGER)
          + CAST(substr(number, 18, 1) AS INTEGER)) % 10 <> 0;

CREATE INDEX barcode_number_of_fold ON barcode_number (fold_id);

UPDATE barcode_fold
   SET new_key = coalesce((SELECT substr(number.number, 5)
                             FROM barcode_number AS number
                            WHERE number.fold_id = barcode_fold.id
                            ORDER BY number.preference LIMIT 1), new_key);
CREATE INDEX barcode_fold_by_key ON barcode_fold (new_key);

-- Of several barcodes that are now the same, the one that had the key before gets it, or else the oldest. The others
-- are found by their own text, as they were until now, and their shared_key lists them for a person to decide.
UPDATE barcode_fold
   SET is_first = NOT EXISTS (SELECT 1 FROM barcode_fold AS other
                               WHERE other.new_key = barcode_fold.new_key AND other.id <> barcode_fold.id
                                 AND (other.old_key = other.new_key
                                      OR (barcode_fold.old_key <> barcode_fold.new_key
                                          AND other.id < barcode_fold.id)));

-- Written to the table, which is made anew: SQLite changes no check of a table.
CREATE TABLE barcode_copy AS
SELECT barcode.id, barcode.code, barcode.item_id, barcode.pack_milli, barcode.is_primary,
       CASE WHEN fold.is_first THEN fold.new_key ELSE fold.old_key END AS code_key,
       CASE WHEN NOT fold.is_first THEN fold.new_key END AS shared_key
  FROM barcode JOIN barcode_fold AS fold ON fold.id = barcode.id;
DROP TABLE barcode;
CREATE TABLE barcode (
    id         INTEGER PRIMARY KEY,
    code       TEXT NOT NULL CHECK (length(code) >= 1 AND length(code) <= 500),
    item_id    BIGINT NOT NULL REFERENCES item (id),
    pack_milli BIGINT NOT NULL DEFAULT 1000 CHECK (pack_milli > 0),
    is_primary BOOLEAN NOT NULL DEFAULT FALSE,
    code_key   TEXT CONSTRAINT barcode__key_no_nul CHECK (length(code_key || '.') = length(code_key) + 1),
    shared_key TEXT CONSTRAINT barcode__shared_key_no_nul CHECK (length(shared_key || '.') = length(shared_key) + 1),
    CONSTRAINT barcode__no_nul CHECK (length(code || '.') = length(code) + 1)
);
INSERT INTO barcode (id, code, item_id, pack_milli, is_primary, code_key, shared_key)
SELECT id, code, item_id, pack_milli, is_primary, code_key, shared_key FROM barcode_copy ORDER BY id;
DROP TABLE barcode_copy;
CREATE UNIQUE INDEX barcode__code ON barcode (code);
CREATE UNIQUE INDEX barcode_primary ON barcode (item_id) WHERE is_primary;
CREATE INDEX barcode_by_item ON barcode (item_id);
CREATE UNIQUE INDEX barcode__code_key ON barcode (code_key);
CREATE INDEX barcode_sharing_key ON barcode (shared_key) WHERE shared_key IS NOT NULL;
CREATE TRIGGER barcode_added_is_searched AFTER INSERT ON barcode
BEGIN
    INSERT INTO search_pending (item_id) VALUES (NEW.item_id);
END;
CREATE TRIGGER barcode_changed_is_searched AFTER UPDATE OF code, item_id ON barcode
BEGIN
    INSERT INTO search_pending (item_id) VALUES (OLD.item_id), (NEW.item_id);
END;
CREATE TRIGGER barcode_removed_is_searched AFTER DELETE ON barcode
BEGIN
    INSERT INTO search_pending (item_id) VALUES (OLD.item_id);
END;
DROP INDEX barcode_number_of_fold;
DROP INDEX barcode_fold_by_key;
DROP TABLE barcode_number;
DROP TABLE barcode_fold;
DROP TABLE barcode_around;

-- The maker's part number on the bag of a distributor.
CREATE INDEX item_by_manufacturer_code ON item (upper(manufacturer_code)) WHERE manufacturer_code <> '';
