-- Locations within locations: a box is a location with its places in it, and a path names one location.
-- Stocky folds the keys after the last migration (stocky/db/location_paths.py), since SQL folds case differently.
-- depends: 0024.barcode-folding

DROP VIEW box_detail;
DROP INDEX location__name;
ALTER TABLE location ADD COLUMN parent_id BIGINT REFERENCES location (id)
    CONSTRAINT location__not_in_itself CHECK (parent_id <> id);
-- Keys are without case and outer blanks.
ALTER TABLE location ADD COLUMN name_key TEXT;
ALTER TABLE location ADD COLUMN path TEXT;
ALTER TABLE location ADD COLUMN path_key TEXT;
-- 0; the location's id where another one had the same name first, from before such names counted as one.
ALTER TABLE location ADD COLUMN duplicate_no BIGINT NOT NULL DEFAULT 0;

-- A place of a box has a box_no and a loc_no, the box itself only a box_no.
UPDATE location SET box_no = NULL WHERE loc_no IS NULL;
INSERT INTO location (name, description, storage_type, box_no, is_active, created_at, updated_at)
SELECT name, description, storage_type, box_no, is_active, created_at, updated_at FROM box ORDER BY box_no;
UPDATE location
   SET parent_id = (SELECT own.id FROM location AS own WHERE own.box_no = location.box_no AND own.loc_no IS NULL)
 WHERE loc_no IS NOT NULL;

CREATE UNIQUE INDEX location__path_key__duplicate_no ON location (path_key, duplicate_no) WHERE is_active;
CREATE UNIQUE INDEX location__parent_id__name_key ON location (name_key, coalesce(parent_id, 0), duplicate_no)
 WHERE is_active;
CREATE UNIQUE INDEX location__box_no ON location (box_no) WHERE loc_no IS NULL;
CREATE INDEX location_by_parent ON location (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX location_duplicate ON location (id) WHERE duplicate_no <> 0;

-- The rest of a box is in its location.
ALTER TABLE box DROP COLUMN name;
ALTER TABLE box DROP COLUMN description;
ALTER TABLE box DROP COLUMN storage_type;
ALTER TABLE box DROP COLUMN is_active;
ALTER TABLE box DROP COLUMN created_at;
ALTER TABLE box DROP COLUMN updated_at;

-- A box as it is answered: with what is in it.
CREATE VIEW box_detail AS
SELECT box.box_no, own.id AS location_id, own.parent_id, own.path, own.name, own.description, own.storage_type,
       own.is_active, box.capacity,
       (SELECT count(*) FROM location
         WHERE location.box_no = box.box_no AND location.loc_no IS NOT NULL
           AND EXISTS (SELECT 1 FROM sku WHERE sku.location_id = location.id AND sku.quantity_milli <> 0)) AS occupied,
       (SELECT count(*) FROM location JOIN sku ON sku.location_id = location.id
         WHERE location.box_no = box.box_no AND sku.quantity_milli <> 0) AS stock_rows,
       own.created_at, own.updated_at
  FROM box
  JOIN location AS own ON own.box_no = box.box_no AND own.loc_no IS NULL;

-- What a location adds to a path: its name, or the number of a box's place that has the name made for it, so that the
-- path is Garage / Screws / 3 and not Garage / Screws / Box 1 / 3.
CREATE VIEW location_step AS
SELECT id, parent_id,
       CASE WHEN name = 'Box ' || CAST(box_no AS TEXT) || ' / ' || CAST(loc_no AS TEXT) THEN CAST(loc_no AS TEXT)
            ELSE trim(name) END AS step,
       CASE WHEN name = 'Box ' || CAST(box_no AS TEXT) || ' / ' || CAST(loc_no AS TEXT) THEN CAST(loc_no AS TEXT)
            ELSE name_key END AS step_key
  FROM location;
