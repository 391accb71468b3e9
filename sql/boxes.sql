-- Boxes and their locations. The view `box_detail` has a box's columns as answered.

-- add_box --
-- Adds a box with the number after the highest ever assigned; no row if another process has just taken it.
INSERT INTO box (box_no, name, description, storage_type, capacity, created_at, updated_at)
SELECT next.box_no, coalesce(CAST(:name AS TEXT), 'Box ' || CAST(next.box_no AS TEXT)), :description, :storage_type,
       :capacity, :created_at, :created_at
  FROM (SELECT coalesce(max(taken.box_no), 0) + 1 AS box_no
          FROM (SELECT max(box_no) AS box_no FROM box UNION ALL SELECT max(box_no) FROM location) AS taken) AS next
 WHERE TRUE
ON CONFLICT (box_no) DO NOTHING
RETURNING box_no;

-- change_box --
-- Changes a box.
UPDATE box
   SET name = :name, description = :description, storage_type = :storage_type, capacity = :capacity,
       is_active = :is_active, updated_at = :updated_at
 WHERE box_no = :box_no;

-- lock_box --
-- Locks a box and the number of its locations until the transaction ends. SQLite's one writer needs no lock.
SELECT id
  FROM box
 WHERE box_no = :box_no;

-- get_box --
-- One box as answered.
SELECT box_no, name, description, storage_type, is_active, capacity, occupied, capacity - occupied AS free, stock_rows,
       created_at, updated_at
  FROM box_detail
 WHERE box_no = :box_no;

-- list_boxes --
-- Boxes by number; all filters optional, :pattern for LIKE in lower case.
WITH page AS (
    SELECT box_no, name, description, storage_type, is_active, capacity, created_at, updated_at
      FROM box
     WHERE is_active = :is_active
       AND (CAST(:storage_type AS TEXT) IS NULL OR storage_type = :storage_type)
       AND (CAST(:pattern AS TEXT) IS NULL
            OR contains(name, :pattern) OR contains(description, :pattern))
     ORDER BY box_no
     LIMIT :limit OFFSET :skip
), filled (box_no, stock_rows) AS (
    SELECT location.box_no, count(*)
      FROM location JOIN sku ON sku.location_id = location.id
     WHERE location.box_no IN (SELECT page.box_no FROM page) AND sku.quantity_milli <> 0
     GROUP BY location.box_no, location.loc_no
), counted (box_no, occupied, stock_rows) AS (
    SELECT box_no, count(*), CAST(sum(stock_rows) AS BIGINT) FROM filled GROUP BY box_no
)
SELECT page.box_no, page.name, page.description, page.storage_type, page.is_active, page.capacity,
       coalesce(counted.occupied, 0) AS occupied, page.capacity - coalesce(counted.occupied, 0) AS free,
       coalesce(counted.stock_rows, 0) AS stock_rows, page.created_at, page.updated_at
  FROM page LEFT JOIN counted ON counted.box_no = page.box_no
 ORDER BY page.box_no;

-- open_box_places --
-- Creates the locations :first to :last of a box, or reactivates those that exist.
WITH RECURSIVE number (loc_no) AS (
    SELECT CAST(:first AS BIGINT)
    UNION ALL
    SELECT loc_no + 1 FROM number WHERE loc_no < :last
)
INSERT INTO location (name, storage_type, box_no, loc_no, created_at, updated_at)
SELECT 'Box ' || CAST(CAST(:box_no AS BIGINT) AS TEXT) || ' / ' || CAST(number.loc_no AS TEXT), :storage_type,
       CAST(:box_no AS BIGINT), number.loc_no, :moment, :moment
  FROM number
 WHERE TRUE
ON CONFLICT (box_no, loc_no) DO UPDATE
   SET is_active = TRUE, storage_type = excluded.storage_type, updated_at = excluded.updated_at;

-- change_box_places --
-- Changes the storage type of a box's locations.
UPDATE location
   SET storage_type = :storage_type, updated_at = :updated_at
 WHERE box_no = :box_no AND is_active AND storage_type <> :storage_type
RETURNING id;

-- lock_box_places --
-- Locks the stock at the box's locations after :after until the transaction ends. SQLite needs no lock.
SELECT id
  FROM location
 WHERE box_no = :box_no AND loc_no > :after AND is_active
 ORDER BY id;

-- list_stocked_box_places --
-- The box's locations after :after with a quantity other than 0.
SELECT id, name, description, storage_type, is_active, box_no, loc_no, created_at, updated_at
  FROM location
 WHERE box_no = :box_no AND loc_no > :after AND is_active
   AND EXISTS (SELECT 1 FROM sku WHERE sku.location_id = location.id AND sku.quantity_milli <> 0)
 ORDER BY loc_no;

-- close_box_places --
-- Deactivates the box's locations after :after.
UPDATE location
   SET is_active = FALSE, updated_at = :updated_at
 WHERE box_no = :box_no AND loc_no > :after AND is_active;

-- list_box_places --
-- The active locations of a box, by number.
SELECT id, name, description, storage_type, is_active, box_no, loc_no, created_at, updated_at
  FROM location
 WHERE box_no = :box_no AND is_active
 ORDER BY loc_no
 LIMIT :limit OFFSET :skip;

-- list_slots --
-- The active locations of the boxes :box_nos, each with the number of items that have stock there.
SELECT location.box_no, location.loc_no, location.id AS location_id, location.name,
       (SELECT count(DISTINCT sku.item_id) FROM sku
         WHERE sku.location_id = location.id AND sku.quantity_milli <> 0) AS item_count
  FROM location
 WHERE location.box_no IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:box_nos AS TEXT)))
   AND location.is_active
 ORDER BY location.box_no, location.loc_no;

-- list_stock_at --
-- The stock at the locations :ids.
SELECT sku.id AS sku_id, sku.location_id, sku.item_id, item.code, item.name,
       CAST(sku.quantity_milli AS DOUBLE PRECISION) / 1000 AS quantity, sku.unit, sku.expiry_date
  FROM sku
  JOIN item ON item.id = sku.item_id
 WHERE sku.location_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
   AND sku.quantity_milli <> 0
 ORDER BY sku.location_id, item.name, sku.expiry_date NULLS LAST, sku.id;
