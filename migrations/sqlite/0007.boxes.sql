-- Boxes: numbered sets of locations. `location.box_no` and `loc_no` name a place of one; numbers are never given twice.
-- depends: 0006.lists

CREATE TABLE box (
    id           INTEGER PRIMARY KEY,
    box_no       BIGINT NOT NULL CHECK (box_no > 0),
    name         TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    description  TEXT NOT NULL DEFAULT '' CHECK (length(description) <= 1000),
    storage_type TEXT NOT NULL
        CHECK (storage_type IN ('pantry', 'refrigerator', 'freezer', 'counter', 'garage', 'other')),
    capacity     BIGINT NOT NULL CHECK (capacity BETWEEN 1 AND 1000),
    is_active    BOOLEAN NOT NULL DEFAULT TRUE,
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL,
    CONSTRAINT box__no_nul
        CHECK (length(name || description || '.') = length(name) + length(description) + 1)
);
CREATE UNIQUE INDEX box__box_no ON box (box_no);

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
