-- Boxes and their locations. The view `box_detail` has a box's columns as answered.

-- add_box --
-- Adds a box with the number after the highest ever assigned; no row if another process has just taken it.
INSERT INTO box (box_no, capacity)
SELECT coalesce(max(taken.box_no), 0) + 1, CAST(:capacity AS BIGINT)
  FROM (SELECT max(box_no) AS box_no FROM box UNION ALL SELECT max(box_no) FROM location) AS taken
 WHERE TRUE
ON CONFLICT (box_no) DO NOTHING
RETURNING box_no;

-- add_box_location --
-- Adds the location of a box itself; its path is set afterwards.
INSERT INTO location (name, name_key, description, storage_type, box_no, parent_id, created_at, updated_at)
VALUES (:name, :name_key, :description, :storage_type, :box_no, :parent_id, :created_at, :created_at)
RETURNING id;

-- change_box --
-- Changes the number of places of a box.
UPDATE box
   SET capacity = :capacity
 WHERE box_no = :box_no;

-- lock_box --
-- Locks a box and the number of its locations until the transaction ends. SQLite's one writer needs no lock.
SELECT id
  FROM box
 WHERE box_no = :box_no;

-- get_box --
-- One box as answered.
SELECT box_no, location_id, parent_id, path, name, description, storage_type, is_active, capacity, occupied,
       capacity - occupied AS free, stock_rows, created_at, updated_at
  FROM box_detail
 WHERE box_no = :box_no;

-- list_boxes --
-- Boxes by number; all filters optional, :pattern for LIKE in lower case.
WITH page AS (
    SELECT page.box_no, page.location_id, page.parent_id, page.path, page.name, page.description, page.storage_type,
           page.is_active, page.capacity, page.created_at, page.updated_at
      FROM (SELECT box.box_no, own.id AS location_id, own.parent_id, own.path, own.name, own.description,
                   own.storage_type, own.is_active, box.capacity, own.created_at, own.updated_at
              FROM box JOIN location AS own ON own.box_no = box.box_no AND own.loc_no IS NULL) AS page
     WHERE page.is_active = :is_active
       AND (CAST(:storage_type AS TEXT) IS NULL OR page.storage_type = :storage_type)
       AND (CAST(:pattern AS TEXT) IS NULL
            OR contains(page.name, :pattern) OR contains(page.description, :pattern))
     ORDER BY /* sort: box_no = page.box_no; name = lower(page.name); path = lower(page.path);
                 storage_type = page.storage_type; capacity = page.capacity; created_at = page.created_at;
                 updated_at = page.updated_at */
              box_no
     LIMIT :limit OFFSET :skip
), filled (box_no, loc_no, stock_rows) AS (
    SELECT location.box_no, location.loc_no, count(*)
      FROM location JOIN sku ON sku.location_id = location.id
     WHERE location.box_no IN (SELECT page.box_no FROM page) AND sku.quantity_milli <> 0
     GROUP BY location.box_no, location.loc_no
), counted (box_no, occupied, stock_rows) AS (
    SELECT box_no, count(loc_no), CAST(sum(stock_rows) AS BIGINT) FROM filled GROUP BY box_no
)
SELECT page.box_no, page.location_id, page.parent_id, page.path, page.name, page.description, page.storage_type,
       page.is_active, page.capacity, coalesce(counted.occupied, 0) AS occupied,
       page.capacity - coalesce(counted.occupied, 0) AS free, coalesce(counted.stock_rows, 0) AS stock_rows,
       page.created_at, page.updated_at
  FROM page LEFT JOIN counted ON counted.box_no = page.box_no
 ORDER BY /* sort: box_no = page.box_no; name = lower(page.name); path = lower(page.path);
             storage_type = page.storage_type; capacity = page.capacity; created_at = page.created_at;
             updated_at = page.updated_at */
          page.box_no;

-- open_box_locations --
-- Creates the places :first to :last of a box in its location, or reactivates those that exist.
WITH RECURSIVE number (loc_no) AS (
    SELECT CAST(:first AS BIGINT)
    UNION ALL
    SELECT loc_no + 1 FROM number WHERE loc_no < :last
)
INSERT INTO location (name, name_key, storage_type, box_no, loc_no, parent_id, created_at, updated_at)
SELECT 'Box ' || CAST(CAST(:box_no AS BIGINT) AS TEXT) || ' / ' || CAST(number.loc_no AS TEXT),
       'box ' || CAST(CAST(:box_no AS BIGINT) AS TEXT) || ' / ' || CAST(number.loc_no AS TEXT), :storage_type,
       CAST(:box_no AS BIGINT), number.loc_no, :parent_id, :moment, :moment
  FROM number
 WHERE TRUE
ON CONFLICT (box_no, loc_no) DO UPDATE
   SET is_active = TRUE, duplicate_no = 0, storage_type = excluded.storage_type, updated_at = excluded.updated_at;

-- change_box_locations --
-- Changes the storage type of a box's places.
UPDATE location
   SET storage_type = :storage_type, updated_at = :updated_at
 WHERE box_no = :box_no AND loc_no IS NOT NULL AND is_active AND storage_type <> :storage_type;

-- list_stocked_box_locations --
-- The box's locations after :after with a quantity other than 0.
SELECT id, name, description, storage_type, is_active, box_no, loc_no, parent_id, path, kind, created_at, updated_at
  FROM location
 WHERE box_no = :box_no AND loc_no > :after AND is_active
   AND EXISTS (SELECT 1 FROM sku WHERE sku.location_id = location.id AND sku.quantity_milli <> 0)
 ORDER BY loc_no;

-- list_locations_in_places --
-- The active locations in the box's places after :after; for 0 also those in the box that are none of its places.
SELECT child.id, child.name, child.description, child.storage_type, child.is_active, child.box_no, child.loc_no,
       child.parent_id, child.path, child.kind, child.created_at, child.updated_at
  FROM location AS around
  JOIN location AS child ON child.parent_id = around.id AND child.is_active
 WHERE around.box_no = :box_no
   AND ((around.loc_no IS NULL AND child.loc_no IS NULL AND CAST(:after AS BIGINT) = 0) OR around.loc_no > :after)
 ORDER BY child.path;

-- close_box_locations --
-- Deactivates the box's locations after :after.
UPDATE location
   SET is_active = FALSE, updated_at = :updated_at
 WHERE box_no = :box_no AND loc_no > :after AND is_active;

-- list_box_locations --
-- The active locations of a box, by number.
SELECT id, name, description, storage_type, is_active, box_no, loc_no, parent_id, path, kind, created_at, updated_at
  FROM location
 WHERE box_no = :box_no AND loc_no IS NOT NULL AND is_active
 ORDER BY /* sort: location_id = id; name = lower(name); loc_no */ loc_no
 LIMIT :limit OFFSET :skip;

-- list_slots --
-- The active locations of the boxes :box_nos, each with the number of items that have stock there.
SELECT location.box_no, location.loc_no, location.id AS location_id, location.name,
       (SELECT count(DISTINCT sku.item_id) FROM sku
         WHERE sku.location_id = location.id AND sku.quantity_milli <> 0) AS item_count
  FROM location
 WHERE location.box_no IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:box_nos AS TEXT)))
   AND location.loc_no IS NOT NULL AND location.is_active
 ORDER BY location.box_no, location.loc_no;

-- list_stock_at --
-- The stock at the locations :ids.
SELECT sku.id AS sku_id, sku.location_id, sku.item_id, item.code, item.name,
       CAST(sku.quantity_milli AS DOUBLE PRECISION) / 1000 AS quantity, sku.unit, sku.expiry_date, sku.lot, sku.serial,
       sku.opened_on
  FROM sku
  JOIN item ON item.id = sku.item_id
 WHERE sku.location_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
   AND sku.quantity_milli <> 0
 ORDER BY sku.location_id, item.name, sku.expiry_date NULLS LAST, sku.id;
