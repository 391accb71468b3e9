-- Locations, and which of them are in which. `path` has the names from the top down; keys are folded in Python.
-- A place of a box has a box_no and a loc_no, the box itself only a box_no.

-- get_location --
-- One location.
SELECT id, name, description, storage_type, is_active, box_no, loc_no, parent_id, path, kind, created_at, updated_at
  FROM location
 WHERE id = :id;

-- find_locations_named --
-- The active locations whose path or name has the key :key.
SELECT id, name, description, storage_type, is_active, box_no, loc_no, parent_id, path, kind, created_at, updated_at
  FROM location
 WHERE is_active AND (path_key = :key OR name_key = :key)
 ORDER BY path_key, id;

-- list_locations --
-- Locations by name; all filters optional, :pattern for LIKE in lower case, also of the path if it has a slash.
-- :kind is place or person.
-- :parent_id 0 is for those in no other one; :within is for all in a location, however deep.
SELECT id, name, description, storage_type, is_active, box_no, loc_no, parent_id, path, kind, created_at, updated_at
  FROM location
 WHERE is_active = :is_active
   AND (CAST(:storage_type AS TEXT) IS NULL OR storage_type = :storage_type)
   AND (CAST(:kind AS TEXT) IS NULL OR kind = :kind)
   AND (CAST(:box_no AS BIGINT) IS NULL OR (box_no = :box_no AND loc_no IS NOT NULL))
   AND (CAST(:parent_id AS BIGINT) IS NULL OR coalesce(parent_id, 0) = :parent_id)
   AND (CAST(:within AS BIGINT) IS NULL OR (id IN (locations_within(:within)) AND id <> :within))
   AND (CAST(:pattern AS TEXT) IS NULL
        OR contains(name, :pattern) OR contains(description, :pattern)
        OR (CAST(:pattern AS TEXT) LIKE '%/%' AND contains(path, :pattern)))
 ORDER BY /* sort: id; name = lower(name); path = lower(path); storage_type; box_no = box_no NULLS LAST;
             loc_no = loc_no NULLS LAST; created_at; updated_at */
          lower(name), id
 LIMIT :limit OFFSET :skip;

-- suggest_locations --
-- The active locations whose path or description contains :pattern, for LIKE in lower case; NULL for all. Places of
-- boxes come last, and among both those whose names contain it first. :kind is optional.
SELECT id, name, description, storage_type, is_active, box_no, loc_no, parent_id, path, kind, created_at, updated_at
  FROM location
 WHERE is_active
   AND (CAST(:kind AS TEXT) IS NULL OR kind = :kind)
   AND (CAST(:pattern AS TEXT) IS NULL OR contains(path, :pattern) OR contains(description, :pattern))
 ORDER BY CASE WHEN loc_no IS NULL THEN 0 ELSE 1 END,
          CASE WHEN contains(name, :pattern) THEN 0 WHEN contains(path, :pattern) THEN 1 ELSE 2 END,
          CASE WHEN loc_no IS NULL THEN 0 ELSE box_no END, loc_no, lower(path), id
 LIMIT :limit;

-- list_locations_by_kind --
-- The locations other than boxes and their places, by storage type and name, persons last; all other filters optional.
-- With :top_only those in no other location.
SELECT id, name, description, storage_type, is_active, box_no, loc_no, parent_id, path, kind, created_at, updated_at
  FROM location
 WHERE box_no IS NULL
   AND is_active = :is_active
   AND (CAST(:storage_type AS TEXT) IS NULL OR storage_type = :storage_type)
   AND (CAST(:kind AS TEXT) IS NULL OR kind = :kind)
   AND (NOT :top_only OR parent_id IS NULL)
   AND (CAST(:pattern AS TEXT) IS NULL
        OR contains(name, :pattern) OR contains(description, :pattern)
        OR (CAST(:pattern AS TEXT) LIKE '%/%' AND contains(path, :pattern)))
 ORDER BY kind DESC, storage_type, lower(name), id
 LIMIT :limit OFFSET :skip;

-- list_children --
-- The active locations directly in the location :id, without the places of a box, by name.
SELECT id, name, description, storage_type, is_active, box_no, loc_no, parent_id, path, kind, created_at, updated_at
  FROM location
 WHERE parent_id = :id AND is_active AND loc_no IS NULL
 ORDER BY lower(name), id
 LIMIT :limit;

-- list_nodes --
-- The active locations in the locations :ids, however deep, by name; the places of boxes only where others are in them,
-- after the others by number.
WITH RECURSIVE inside (id, parent_id) AS (
    SELECT child.id, child.parent_id
      FROM location AS child
     WHERE child.parent_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))) AND child.is_active
    UNION
    SELECT child.id, child.parent_id
      FROM inside JOIN location AS child ON child.parent_id = inside.id AND child.is_active
)
SELECT id, name, description, storage_type, is_active, box_no, loc_no, parent_id, path, kind, created_at, updated_at
  FROM location
 WHERE id IN (SELECT inside.id FROM inside)
   AND (loc_no IS NULL OR id IN (SELECT inside.parent_id FROM inside))
 ORDER BY loc_no NULLS FIRST, lower(name), id
 LIMIT :limit;

-- list_locations_by_id --
-- The locations :ids.
SELECT id, name, description, storage_type, is_active, box_no, loc_no, parent_id, path, kind, created_at, updated_at
  FROM location
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_ancestors --
-- The locations that the location :id is in, from the top down.
WITH RECURSIVE above (id, parent_id, level) AS (
    SELECT parent.id, parent.parent_id, 1
      FROM location AS own JOIN location AS parent ON parent.id = own.parent_id
     WHERE own.id = :id
    UNION ALL
    SELECT parent.id, parent.parent_id, above.level + 1
      FROM above JOIN location AS parent ON parent.id = above.parent_id
     WHERE above.level < 200
)
SELECT location.id, location.name, location.description, location.storage_type, location.is_active, location.box_no,
       location.loc_no, location.parent_id, location.path, location.kind, location.created_at, location.updated_at
  FROM above JOIN location ON location.id = above.id
 ORDER BY above.level DESC;

-- add_location --
-- Adds a location; its path is set afterwards.
INSERT INTO location (name, name_key, description, storage_type, kind, parent_id, created_at, updated_at)
VALUES (:name, :name_key, :description, :storage_type, :kind, :parent_id, :created_at, :created_at)
RETURNING id;

-- change_location --
-- Changes a location apart from where it is; one that comes back counts as a duplicate no longer.
UPDATE location
   SET description = :description, storage_type = :storage_type, kind = :kind,
       duplicate_no = CASE WHEN :is_active AND NOT is_active THEN 0 ELSE duplicate_no END, is_active = :is_active,
       updated_at = :updated_at
 WHERE id = :id;

-- place_location --
-- Gives a location its name and parent; those in it and itself get their paths afterwards.
UPDATE location
   SET name = :name, name_key = :name_key, parent_id = :parent_id, duplicate_no = 0, updated_at = :updated_at
 WHERE id = :id;

-- lock_location_tree --
-- Lets one transaction at a time change which locations are in which. SQLite's one writer needs no lock.
SELECT 1 AS locked;

-- location_holds_stock --
-- A row if any SKU there has a quantity other than 0.
SELECT 1
  FROM sku
 WHERE location_id = :location_id AND quantity_milli <> 0
 LIMIT 1;

-- list_locations_inside --
-- The location :id and all in it, however deep, hidden ones too, with their paths.
SELECT id, path, is_active
  FROM location
 WHERE id IN (locations_within(:id))
 ORDER BY id;

-- clear_location_paths --
-- Takes the paths of the locations :ids, so that none is in the way while they get new ones.
UPDATE location
   SET path = NULL, path_key = NULL
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- set_paths_inside --
-- Sets the paths of the location :id and of all in it.
WITH RECURSIVE inside (id, path, path_key) AS (
    SELECT own.id, coalesce(parent.path || ' / ', '') || own.step, coalesce(parent.path_key || ' / ', '') || own.step_key
      FROM location_step AS own LEFT JOIN location AS parent ON parent.id = own.parent_id
     WHERE own.id = :id
    UNION ALL
    SELECT child.id, inside.path || ' / ' || child.step, inside.path_key || ' / ' || child.step_key
      FROM inside JOIN location_step AS child ON child.parent_id = inside.id
)
UPDATE location
   SET path = inside.path, path_key = inside.path_key
  FROM inside
 WHERE inside.id = location.id;

-- free_duplicates --
-- Those that no active location had the path of, or the name in the same place, before them are duplicates no longer.
UPDATE location
   SET duplicate_no = 0
 WHERE duplicate_no <> 0
   AND NOT EXISTS (SELECT 1 FROM location AS other
                    WHERE other.is_active AND other.path_key = location.path_key AND other.id <> location.id
                      AND (other.duplicate_no = 0 OR other.id < location.id))
   AND NOT EXISTS (SELECT 1 FROM location AS other
                    WHERE other.is_active AND other.name_key = location.name_key AND other.id <> location.id
                      AND coalesce(other.parent_id, 0) = coalesce(location.parent_id, 0)
                      AND (other.duplicate_no = 0 OR other.id < location.id));

-- list_duplicate_locations --
-- The active locations with the path of another one, or its name in the same place, each after that one.
SELECT location.id, location.path, first.id AS same_id, first.path AS same_path
  FROM location
  JOIN location AS first ON first.id =
       (SELECT min(other.id) FROM location AS other
         WHERE other.is_active AND other.id <> location.id
           AND (other.path_key = location.path_key
                OR (other.name_key = location.name_key
                    AND coalesce(other.parent_id, 0) = coalesce(location.parent_id, 0))))
 WHERE location.duplicate_no <> 0 AND location.is_active
 ORDER BY location.path_key, location.id;

-- count_stock_within --
-- Of each of the locations :ids: the items with stock at it, those with stock at it or in it, and the active ones in it.
WITH RECURSIVE within (root_id, id) AS (
    SELECT id, id FROM location WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
    UNION
    SELECT within.root_id, child.id
      FROM within JOIN location AS child ON child.parent_id = within.id AND child.is_active
)
SELECT within.root_id AS id, count(DISTINCT within.id) - 1 AS locations_inside,
       count(DISTINCT CASE WHEN within.id = within.root_id THEN sku.item_id END) AS items,
       count(DISTINCT sku.item_id) AS items_with_inside
  FROM within
  LEFT JOIN sku ON sku.location_id = within.id AND sku.quantity_milli <> 0
 GROUP BY within.root_id;
