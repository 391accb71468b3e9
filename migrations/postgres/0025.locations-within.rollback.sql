-- A location in another one gets its path as its name where its own is taken, so that none is merged or lost. That of a
-- box stays as one in no box if anything refers to it.
DROP VIEW location_step;
DROP VIEW box_detail;
DROP INDEX location_duplicate;
DROP INDEX location_by_parent;
DROP INDEX location__box_no;
DROP INDEX location__parent_id__name_key;
DROP INDEX location__path_key__duplicate_no;

CREATE TABLE box_copy AS
SELECT box.id, box.box_no, own.name, own.description, own.storage_type, box.capacity, own.is_active, own.created_at,
       own.updated_at
  FROM box JOIN location AS own ON own.box_no = box.box_no AND own.loc_no IS NULL;
-- Emptied, the table gets its columns in the order that dumps have them.
DELETE FROM box;
ALTER TABLE box DROP COLUMN capacity;
ALTER TABLE box ADD COLUMN name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200);
ALTER TABLE box ADD COLUMN description TEXT NOT NULL DEFAULT '' CHECK (length(description) <= 1000);
ALTER TABLE box ADD COLUMN storage_type TEXT NOT NULL
        CHECK (storage_type IN ('pantry', 'refrigerator', 'freezer', 'counter', 'garage', 'other'));
ALTER TABLE box ADD COLUMN capacity BIGINT NOT NULL CHECK (capacity BETWEEN 1 AND 1000);
ALTER TABLE box ADD COLUMN is_active BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE box ADD COLUMN created_at TIMESTAMPTZ NOT NULL;
ALTER TABLE box ADD COLUMN updated_at TIMESTAMPTZ NOT NULL;
ALTER TABLE box ADD CONSTRAINT box__no_nul
      CHECK (length(name || description || '.') = length(name) + length(description) + 1);
INSERT INTO box (id, box_no, name, description, storage_type, capacity, is_active, created_at, updated_at)
SELECT id, box_no, name, description, storage_type, capacity, is_active, created_at, updated_at
  FROM box_copy ORDER BY id;
DROP TABLE box_copy;
UPDATE location
   SET name = substr(path, 1, 200)
 WHERE parent_id IS NOT NULL AND loc_no IS NULL AND is_active
   AND name IN (SELECT other.name FROM location AS other WHERE other.is_active
                 GROUP BY other.name HAVING count(*) > 1);
UPDATE location SET parent_id = NULL;
DELETE FROM location
 WHERE box_no IS NOT NULL AND loc_no IS NULL
   AND NOT EXISTS (SELECT 1 FROM sku WHERE sku.location_id = location.id)
   AND NOT EXISTS (SELECT 1 FROM stock_event WHERE stock_event.location_id = location.id)
   AND NOT EXISTS (SELECT 1 FROM scanner WHERE scanner.location_id = location.id)
   AND NOT EXISTS (SELECT 1 FROM reorg_move
                    WHERE reorg_move.from_location_id = location.id OR reorg_move.to_location_id = location.id);
UPDATE location SET box_no = NULL WHERE loc_no IS NULL;
UPDATE location
   SET name = substr(name, 1, 170) || ' (' || CAST(id AS TEXT) || ')'
 WHERE is_active
   AND EXISTS (SELECT 1 FROM location AS other
                WHERE other.id < location.id AND other.is_active AND other.name = location.name);

ALTER TABLE location DROP COLUMN duplicate_no;
ALTER TABLE location DROP COLUMN path_key;
ALTER TABLE location DROP COLUMN path;
ALTER TABLE location DROP COLUMN name_key;
ALTER TABLE location DROP COLUMN parent_id;
CREATE UNIQUE INDEX location__name ON location (name) WHERE is_active;

-- A box as it is answered: with what is in it.
CREATE VIEW box_detail AS
SELECT box.box_no, box.name, box.description, box.storage_type, box.is_active, box.capacity,
       (SELECT count(*) FROM location
         WHERE location.box_no = box.box_no
           AND EXISTS (SELECT 1 FROM sku WHERE sku.location_id = location.id AND sku.quantity_milli <> 0)) AS occupied,
       (SELECT count(*) FROM location JOIN sku ON sku.location_id = location.id
         WHERE location.box_no = box.box_no AND sku.quantity_milli <> 0) AS stock_rows,
       box.created_at, box.updated_at
  FROM box;
