-- The ledger, and the SKUs, whose quantities are its sums.
-- A list is one parameter: JSON text, read by json_each; on Postgres it becomes an array (stocky/db/queries.py).
-- On SQLite, a join with it takes 1.5 us less than IN, so the queries of every scan have an override for Postgres.

-- find_barcodes --
-- The items of the barcodes with the keys :code_keys, and the pieces that one scan counts.
SELECT barcode.code_key, barcode.item_id, barcode.pack_milli
  FROM json_each(CAST(:code_keys AS TEXT)) AS wanted
  JOIN barcode ON barcode.code_key = wanted.value;

-- find_items_of_parts --
-- The items in use with the maker's part numbers :parts, whose ASCII letters are in upper case, and whether a barcode of
-- the item is that number, too.
SELECT upper(manufacturer_code) AS part, id,
       EXISTS (SELECT 1 FROM barcode
                WHERE barcode.item_id = item.id
                  AND upper(barcode.code) = upper(item.manufacturer_code)) AS is_barcode
  FROM item
 WHERE manufacturer_code <> '' AND is_active
   AND upper(manufacturer_code) IN (SELECT value FROM json_each(CAST(:parts AS TEXT)));

-- find_parts_of_items --
-- The maker's part numbers of the items :ids.
SELECT id, manufacturer_code
  FROM item
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- find_item_codes --
-- The items with the four-letter codes :codes.
SELECT code, coalesce(merged_into_id, id) AS id
  FROM item
 WHERE code IN (SELECT value FROM json_each(CAST(:codes AS TEXT)));

-- find_locations --
-- Active locations by :ids, by the :keys of their paths or names, or at :loc_nos in the boxes :box_nos.
SELECT id, name, path, box_no, loc_no, kind = 'person' AS is_person
  FROM location
 WHERE is_active
   AND (id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
        OR path_key IN (SELECT value FROM json_each(CAST(:keys AS TEXT)))
        OR name_key IN (SELECT value FROM json_each(CAST(:keys AS TEXT)))
        OR (box_no IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:box_nos AS TEXT)))
            AND loc_no IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:loc_nos AS TEXT)))));

-- find_sku_keys --
-- The item and location of each of the SKUs :ids.
SELECT id, item_id, location_id
  FROM sku
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- find_events_to_undo --
-- The events :ids with all rows of their transfers, and the rows of the batches :batch_ids, and whether the unit of the
-- SKU was changed since.
SELECT event.id, event.kind, event.item_id, event.location_id, event.sku_id, event.delta_milli, event.transfer_id,
       event.batch_id,
       (SELECT reversal.id FROM stock_event AS reversal WHERE reversal.reverses_id = event.id) AS reversed_by,
       coalesce(event.recorded_at <= sku.unit_changed_at, FALSE) AS is_unit_changed
  FROM stock_event AS event
  JOIN sku ON sku.id = event.sku_id
 WHERE event.id IN (SELECT target.id FROM stock_event AS target
                     WHERE target.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
                     UNION
                    SELECT side.id FROM stock_event AS target
                      JOIN stock_event AS side ON side.transfer_id = target.transfer_id
                     WHERE target.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
                     UNION
                    SELECT member.id FROM stock_event AS member
                     WHERE member.batch_id IN (SELECT value FROM json_each(CAST(:batch_ids AS TEXT))))
 ORDER BY event.id;

-- lock_items --
-- The columns of the items :ids that the rules need. SQLite's one writer needs no lock.
SELECT item.id, item.name, item.oversell_policy, item.is_active, item.version, item.merged_into_id,
       item.min_quantity_milli, item.default_storage_type, item.needs_review, item.shelf_life_days, item.opened_days
  FROM json_each(CAST(:ids AS TEXT)) AS wanted
  JOIN item ON item.id = CAST(wanted.value AS BIGINT);

-- list_merged_stock --
-- The merges of the items :ids and of their targets, the target SKU of each SKU, and whether its unit was changed since.
-- An older merge is one transfer of many SKUs, which does not show the target SKU.
WITH RECURSIVE onward (item_id, into_id, batch_id) AS (
    SELECT source_id, target_id, batch_id
      FROM item_merge
     WHERE undone_at IS NULL AND source_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
     UNION
    SELECT item_merge.source_id, item_merge.target_id, item_merge.batch_id
      FROM onward JOIN item_merge ON item_merge.source_id = onward.into_id AND item_merge.undone_at IS NULL
)
SELECT onward.item_id, onward.into_id, onward.batch_id, giving.sku_id, taking.sku_id AS into_sku_id,
       coalesce(taking.recorded_at <= into_sku.unit_changed_at, FALSE) AS is_unit_changed
  FROM onward
  LEFT JOIN stock_event AS giving ON giving.batch_id = onward.batch_id AND giving.item_id = onward.item_id
  LEFT JOIN stock_event AS taking ON taking.transfer_id = giving.transfer_id AND taking.id <> giving.id
   AND (SELECT count(*) FROM stock_event AS one WHERE one.transfer_id = giving.transfer_id) = 2
  LEFT JOIN sku AS into_sku ON into_sku.id = taking.sku_id
 ORDER BY giving.id;

-- list_skus_of_items --
-- Every SKU of the items :ids, hidden ones included.
SELECT sku.id, sku.item_id, sku.location_id, sku.expiry_date, sku.lot, sku.serial, sku.opened_on, sku.quantity_milli,
       sku.unit, sku.notes, sku.is_active, sku.version, sku.created_at, sku.updated_at
  FROM json_each(CAST(:ids AS TEXT)) AS wanted
  JOIN sku ON sku.item_id = CAST(wanted.value AS BIGINT);

-- list_persons_with --
-- The persons at whom there are SKUs of the items :ids.
SELECT DISTINCT location.id
  FROM location
  JOIN sku ON sku.location_id = location.id
 WHERE location.kind = 'person'
   AND sku.item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_packs --
-- The thousandths that one scan counts, for each barcode of the items :ids.
SELECT item_id, pack_milli
  FROM barcode
 WHERE item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- find_refusals --
-- Which of :event_ids were rejected before, or are those of commands.
SELECT event_refusal.event_id, event_refusal.fingerprint, event_refusal.refusal, event_refusal.reason
  FROM json_each(CAST(:event_ids AS TEXT)) AS wanted
  JOIN event_refusal ON event_refusal.event_id = wanted.value;

-- find_event_ids --
-- Which of :event_ids are in the ledger, and the fingerprints of their content.
SELECT stock_event.id, stock_event.event_id, stock_event.fingerprint
  FROM json_each(CAST(:event_ids AS TEXT)) AS wanted
  JOIN stock_event ON stock_event.event_id = wanted.value;

-- list_transfers_by_id --
-- The events :ids as answered, each with the other rows of the transfer that has its id.
SELECT id, event_id, type, item_id, location_id, sku_id, delta, quantity_after, occurred_at, recorded_at, user_id,
       scanner_id, batch_id, transfer_id, reverses_id, reversed_by_id, note, expiry_date, lot, serial, opened_on
  FROM event_detail
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
    OR transfer_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY id;

-- find_event_by_event_id --
-- The event with the client's own id: the first row of what it booked.
SELECT id, event_id, type, item_id, location_id, sku_id, delta, quantity_after, occurred_at, recorded_at, user_id,
       scanner_id, batch_id, transfer_id, reverses_id, reversed_by_id, note, expiry_date, lot, serial, opened_on
  FROM event_detail
 WHERE event_id = :event_id;

-- add_sku --
-- A new SKU.
INSERT INTO sku (item_id, location_id, expiry_date, lot, serial, opened_on, quantity_milli, unit, notes, is_active,
                 version, created_at, updated_at)
VALUES (:item_id, :location_id, :expiry_date, :lot, :serial, :opened_on, :quantity_milli, :unit, :notes, :is_active,
        :version, :created_at, :created_at)
RETURNING id;

-- change_skus --
-- Updates a SKU after new events.
UPDATE sku
   SET quantity_milli = :quantity_milli, is_active = :is_active, version = :version, updated_at = :updated_at
 WHERE id = :id;

-- add_events --
-- Adds a row to the ledger.
INSERT INTO stock_event (id, event_id, fingerprint, batch_id, transfer_id, kind, item_id, location_id, sku_id,
                         delta_milli, quantity_after_milli, occurred_at, recorded_at, user_id, scanner_id,
                         reverses_id, note, unit_scale)
VALUES (:id, :event_id, :fingerprint, :batch_id, :transfer_id, :kind, :item_id, :location_id, :sku_id,
        :delta_milli, :quantity_after_milli, :occurred_at, :recorded_at, :user_id, :scanner_id,
        :reverses_id, :note, :unit_scale);

-- add_refusals --
-- Stores a rejection, so that the same event_id is rejected again, or that a command was run.
INSERT INTO event_refusal (event_id, fingerprint, refusal, reason, recorded_at)
VALUES (:event_id, :fingerprint, :refusal, :reason, :recorded_at)
ON CONFLICT (event_id) DO NOTHING;

-- get_sku --
-- One SKU; of hidden ones only with :with_hidden.
SELECT id, CAST(quantity_milli AS DOUBLE PRECISION) / 1000 AS quantity, unit, expiry_date, lot, serial, opened_on,
       notes, is_active, item_id, location_id, created_at, updated_at, version
  FROM sku
 WHERE id = :id AND (is_active OR CAST(:with_hidden AS BOOLEAN));

-- list_sku_ids --
-- The ids of SKUs above :after in the order they were created; all other filters optional. :expires_by finds SKUs with
-- stock that expires by then; empty ones that changed last before :emptied_before are left out. The ids of a page come
-- first, so that the details of skipped SKUs are not read.
SELECT sku.id
  FROM sku
 WHERE sku.is_active
   AND sku.id > :after
   AND (sku.quantity_milli <> 0 OR sku.updated_at >= :emptied_before)
   AND (NOT :expiring_soon OR (sku.expiry_date <= :expires_by AND sku.quantity_milli > 0))
 ORDER BY /* sort: id = sku.id; quantity = sku.quantity_milli; unit = sku.unit;
             expiry_date = sku.expiry_date NULLS LAST;
             name = (SELECT lower(item.name) FROM item WHERE item.id = sku.item_id); item_id = sku.item_id;
             location_id = sku.location_id; created_at = sku.created_at; updated_at = sku.updated_at */
          sku.id
 LIMIT :limit OFFSET :skip;

-- list_sku_ids_with_item --
-- The same, to be sorted by the items' names: CROSS JOIN makes SQLite read the items by the index of names.
SELECT sku.id
  FROM item CROSS JOIN sku
 WHERE sku.item_id = item.id
   AND sku.is_active
   AND sku.id > :after
   AND (sku.quantity_milli <> 0 OR sku.updated_at >= :emptied_before)
   AND (NOT :expiring_soon OR (sku.expiry_date <= :expires_by AND sku.quantity_milli > 0))
 ORDER BY /* sort: id = sku.id; quantity = sku.quantity_milli; unit = sku.unit;
             expiry_date = sku.expiry_date NULLS LAST; name = lower(item.name); item_id = sku.item_id;
             location_id = sku.location_id; created_at = sku.created_at; updated_at = sku.updated_at */
          item.id, sku.id
 LIMIT :limit OFFSET :skip;

-- list_sku_ids_of_item --
-- The same for one item.
SELECT sku.id
  FROM sku
 WHERE sku.is_active
   AND sku.id > :after
   AND (sku.quantity_milli <> 0 OR sku.updated_at >= :emptied_before)
   AND sku.item_id = :item_id
   AND (CAST(:location_id AS BIGINT) IS NULL OR sku.location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR sku.location_id IN (locations_within(:within)))
   AND (NOT :low_stock
        OR (SELECT item.min_quantity_milli >= item_amount.total_milli
              FROM item JOIN item_amount ON item_amount.item_id = item.id
             WHERE item.id = sku.item_id))
   AND (NOT :expiring_soon OR (sku.expiry_date <= :expires_by AND sku.quantity_milli > 0))
 ORDER BY /* sort: like list_sku_ids */ sku.id
 LIMIT :limit OFFSET :skip;

-- list_sku_ids_of_lot --
-- The same for one lot.
SELECT sku.id
  FROM sku
 WHERE sku.is_active
   AND sku.id > :after
   AND sku.lot = :lot AND sku.lot <> ''
   AND (CAST(:serial AS TEXT) IS NULL OR sku.serial = :serial)
   AND (CAST(:item_id AS BIGINT) IS NULL OR sku.item_id = :item_id)
   AND (CAST(:location_id AS BIGINT) IS NULL OR sku.location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR sku.location_id IN (locations_within(:within)))
   AND (NOT :low_stock
        OR (SELECT item.min_quantity_milli >= item_amount.total_milli
              FROM item JOIN item_amount ON item_amount.item_id = item.id
             WHERE item.id = sku.item_id))
   AND (NOT :expiring_soon OR (sku.expiry_date <= :expires_by AND sku.quantity_milli > 0))
 ORDER BY /* sort: like list_sku_ids */ sku.id
 LIMIT :limit OFFSET :skip;

-- list_sku_ids_of_serial --
-- The same for one serial number.
SELECT sku.id
  FROM sku
 WHERE sku.is_active
   AND sku.id > :after
   AND (CAST(:lot AS TEXT) IS NULL OR sku.lot = :lot)
   AND sku.serial = :serial AND sku.serial <> ''
   AND (CAST(:item_id AS BIGINT) IS NULL OR sku.item_id = :item_id)
   AND (CAST(:location_id AS BIGINT) IS NULL OR sku.location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR sku.location_id IN (locations_within(:within)))
   AND (NOT :low_stock
        OR (SELECT item.min_quantity_milli >= item_amount.total_milli
              FROM item JOIN item_amount ON item_amount.item_id = item.id
             WHERE item.id = sku.item_id))
   AND (NOT :expiring_soon OR (sku.expiry_date <= :expires_by AND sku.quantity_milli > 0))
 ORDER BY /* sort: like list_sku_ids */ sku.id
 LIMIT :limit OFFSET :skip;

-- list_sku_ids_at --
-- The same for one location.
SELECT sku.id
  FROM sku
 WHERE sku.is_active
   AND sku.id > :after
   AND (sku.quantity_milli <> 0 OR sku.updated_at >= :emptied_before)
   AND sku.location_id = :location_id
   AND (CAST(:within AS BIGINT) IS NULL OR sku.location_id IN (locations_within(:within)))
   AND (NOT :expiring_soon OR (sku.expiry_date <= :expires_by AND sku.quantity_milli > 0))
 ORDER BY /* sort: like list_sku_ids */ sku.id
 LIMIT :limit OFFSET :skip;

-- list_sku_ids_within --
-- The same for a location and all that are in it.
SELECT sku.id
  FROM sku
 WHERE sku.is_active
   AND sku.id > :after
   AND (sku.quantity_milli <> 0 OR sku.updated_at >= :emptied_before)
   AND sku.location_id IN (locations_within(:within))
   AND (NOT :expiring_soon OR (sku.expiry_date <= :expires_by AND sku.quantity_milli > 0))
 ORDER BY /* sort: like list_sku_ids */ sku.id
 LIMIT :limit OFFSET :skip;

-- list_low_sku_ids --
-- The same for items at or below their minimum.
SELECT sku.id
  FROM sku
 WHERE sku.is_active
   AND sku.id > :after
   AND sku.item_id IN (SELECT low_item.item_id FROM low_item)
   AND (CAST(:location_id AS BIGINT) IS NULL OR sku.location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR sku.location_id IN (locations_within(:within)))
   AND (NOT :expiring_soon OR (sku.expiry_date <= :expires_by AND sku.quantity_milli > 0))
 ORDER BY /* sort: like list_sku_ids */ sku.id
 LIMIT :limit OFFSET :skip;

-- list_sku_ids_containing --
-- The same for SKUs with the LIKE pattern :pattern, in lower case, in the item's name, code or barcodes, the location's
-- name, the notes, the lot or the serial number. With :fragment, a part of the pattern, no item is read whose indexed
-- text does not contain it.
SELECT sku.id
  FROM sku
 WHERE sku.is_active
   AND sku.id > :after
   AND (sku.quantity_milli <> 0 OR sku.updated_at >= :emptied_before)
   AND (CAST(:item_id AS BIGINT) IS NULL OR sku.item_id = :item_id)
   AND (CAST(:location_id AS BIGINT) IS NULL OR sku.location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR sku.location_id IN (locations_within(:within)))
   AND (CAST(:lot AS TEXT) IS NULL OR sku.lot = :lot)
   AND (CAST(:serial AS TEXT) IS NULL OR sku.serial = :serial)
   AND (NOT :low_stock OR sku.item_id IN (SELECT low_item.item_id FROM low_item))
   AND (NOT :expiring_soon OR (sku.expiry_date <= :expires_by AND sku.quantity_milli > 0))
   AND (((CAST(:fragment AS TEXT) IS NULL
          OR sku.item_id IN (items_indexed_with(:fragment)
                               UNION ALL SELECT item_id FROM search_pending
                               UNION ALL SELECT item_id FROM search_text WHERE length(text) > 8000))
         AND (SELECT contains(item.name, :pattern) OR contains(item.code, :pattern)
                     OR EXISTS (SELECT 1 FROM barcode
                                 WHERE barcode.item_id = item.id AND contains(barcode.code, :pattern))
                FROM item WHERE item.id = sku.item_id))
        OR sku.location_id IN (SELECT location.id FROM location
                                WHERE contains(location.name, :pattern) OR contains(location.path, :pattern))
        OR (sku.notes <> '' AND contains(sku.notes, :pattern))
        OR (sku.lot <> '' AND contains(sku.lot, :pattern))
        OR (sku.serial <> '' AND contains(sku.serial, :pattern)))
 ORDER BY /* sort: like list_sku_ids */ sku.id
 LIMIT :limit OFFSET :skip;

-- list_stock_of_items --
-- The SKUs of the items :ids with their locations: each item's in the order of names, an earlier expiry date first.
SELECT sku.id AS sku_id, sku.item_id, sku.location_id, location.path AS location_path, location.storage_type,
       location.kind, location.box_no, location.loc_no, sku.expiry_date, sku.lot, sku.serial, sku.opened_on,
       CAST(sku.quantity_milli AS DOUBLE PRECISION) / 1000 AS quantity, sku.unit, sku.notes, sku.updated_at
  FROM sku
  JOIN location ON location.id = sku.location_id
 WHERE sku.item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
   AND sku.is_active
 ORDER BY sku.item_id, location.box_no NULLS LAST, location.loc_no NULLS LAST, lower(location.path),
          sku.expiry_date NULLS LAST, sku.id;

-- count_stock_at --
-- The number of items with stock at each of the locations :ids that has any.
SELECT location_id, count(DISTINCT item_id) AS item_count
  FROM sku
 WHERE location_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
   AND quantity_milli <> 0
 GROUP BY location_id;

-- count_skus_at --
-- The number of SKUs at a location with the LIKE pattern :pattern, in lower case, in the item's name or code: those
-- with a quantity, or those without.
SELECT count(*)
  FROM sku
  JOIN item ON item.id = sku.item_id
 WHERE sku.location_id = :location_id
   AND sku.is_active
   AND (sku.quantity_milli <> 0) = :holds_stock
   AND (CAST(:pattern AS TEXT) IS NULL OR contains(item.name, :pattern) OR contains(item.code, :pattern));

-- list_sku_ids_by_name --
-- The ids of these SKUs in the order of the items' names, an earlier expiry date first; of those without a quantity
-- only the ones that changed since :emptied_before.
SELECT sku.id
  FROM sku
  JOIN item ON item.id = sku.item_id
 WHERE sku.location_id = :location_id
   AND sku.is_active
   AND (sku.quantity_milli <> 0) = :holds_stock
   AND (:holds_stock OR sku.updated_at >= :emptied_before)
   AND (CAST(:pattern AS TEXT) IS NULL OR contains(item.name, :pattern) OR contains(item.code, :pattern))
 ORDER BY lower(item.name), item.id, sku.expiry_date NULLS LAST, sku.id
 LIMIT :limit OFFSET :skip;

-- list_skus_by_id --
-- The SKUs :ids in the order they were created.
SELECT id, CAST(quantity_milli AS DOUBLE PRECISION) / 1000 AS quantity, unit, expiry_date, lot, serial, opened_on,
       notes, is_active, item_id, location_id, created_at, updated_at, version
  FROM sku
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY id;

-- list_skus_as_of --
-- The stock at the moment :as_of: the sums of the events that had occurred by then. The ids of the page come first.
SELECT id, CAST((SELECT sum(CAST(event.delta_milli AS DOUBLE PRECISION)) FROM stock_event AS event
                  WHERE event.item_id = sku.item_id AND event.sku_id = sku.id AND event.occurred_at <= :as_of)
                AS DOUBLE PRECISION) / 1000 AS quantity, unit, expiry_date, lot, serial, opened_on,
       notes, is_active, item_id, location_id, created_at, updated_at, version
  FROM sku
 WHERE id IN (SELECT page.id FROM sku AS page
               WHERE (CAST(:item_id AS BIGINT) IS NULL OR page.item_id = :item_id)
                 AND (CAST(:lot AS TEXT) IS NULL OR page.lot = :lot)
                 AND (CAST(:serial AS TEXT) IS NULL OR page.serial = :serial)
                 AND (CAST(:location_id AS BIGINT) IS NULL OR page.location_id = :location_id)
                 AND (CAST(:within AS BIGINT) IS NULL OR page.location_id IN (locations_within(:within)))
                 AND page.id > :after
                 AND (SELECT coalesce(sum(CAST(event.delta_milli AS DOUBLE PRECISION)), 0) FROM stock_event AS event
                       WHERE event.item_id = page.item_id AND event.sku_id = page.id
                         AND event.occurred_at <= :as_of) <> 0
               ORDER BY page.id
               LIMIT :limit OFFSET :skip)
 ORDER BY id;

-- list_skus_as_of_far --
-- The same far into the whole list: one pass over the ledger instead of a sum for each skipped SKU.
SELECT sku.id, past.milli / 1000 AS quantity, sku.unit, sku.expiry_date, sku.lot, sku.serial, sku.opened_on,
       sku.notes, sku.is_active, sku.item_id, sku.location_id, sku.created_at, sku.updated_at, sku.version
  FROM (SELECT sku_id, sum(CAST(delta_milli AS DOUBLE PRECISION)) AS milli
          FROM stock_event
         WHERE occurred_at <= :as_of AND sku_id > :after
         GROUP BY sku_id
        HAVING sum(CAST(delta_milli AS DOUBLE PRECISION)) <> 0
         ORDER BY sku_id
         LIMIT :limit OFFSET :skip) AS past
  JOIN sku ON sku.id = past.sku_id
 ORDER BY sku.id;

-- change_sku --
-- Changes a SKU except for its quantity. Without :unit_changed_at the time of the last change of its unit stays; with
-- it, the stored time is not before any recorded event, even if a clock was ahead.
UPDATE sku
   SET unit = :unit, notes = :notes, expiry_date = :expiry_date, lot = :lot, serial = :serial, version = :version,
       updated_at = :updated_at,
       unit_changed_at = coalesce(
           (SELECT max(event.recorded_at) FROM stock_event AS event
             WHERE event.item_id = sku.item_id AND event.sku_id = sku.id AND event.recorded_at > :unit_changed_at),
           :unit_changed_at, unit_changed_at)
 WHERE id = :id;

-- list_batch --
-- The events of one request or transfer.
SELECT id, event_id, type, item_id, location_id, sku_id, delta, quantity_after, occurred_at, recorded_at, user_id,
       scanner_id, batch_id, transfer_id, reverses_id, reversed_by_id, note, expiry_date, lot, serial, opened_on
  FROM event_detail
 WHERE batch_id = :batch_id AND type <> 'undo'
 ORDER BY id;

-- list_start_of_batch --
-- The first of them. The batch is read by its index, not the ledger by id until there are enough.
WITH batch (id) AS MATERIALIZED (
    SELECT id FROM stock_event WHERE batch_id = :batch_id AND kind <> 'undo'
)
SELECT id, event_id, type, item_id, location_id, sku_id, delta, quantity_after, occurred_at, recorded_at, user_id,
       scanner_id, batch_id, transfer_id, reverses_id, reversed_by_id, note, expiry_date, lot, serial, opened_on
  FROM event_detail
 WHERE id IN (SELECT batch.id FROM batch ORDER BY batch.id LIMIT :limit)
 ORDER BY id;

-- count_batch --
-- How many there are, and how many of them are not undone.
SELECT count(*) AS events, count(*) - count(reversal.id) AS remaining
  FROM stock_event AS event
  LEFT JOIN stock_event AS reversal ON reversal.reverses_id = event.id
 WHERE event.batch_id = :batch_id AND event.kind <> 'undo';

-- list_event_ids --
-- The ledger, newest first, with ids below :before; all other filters optional. Each filter that may leave out most of
-- the ledger has a statement below, which reads its index. NOT (… OR …) keeps SQLite from reading the one by time.
SELECT id
  FROM stock_event
 WHERE id < :before
   AND (CAST(:location_id AS BIGINT) IS NULL OR location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR location_id IN (locations_within(:within)))
   AND (CAST(:user_id AS BIGINT) IS NULL OR user_id = :user_id)
   AND (CAST(:scanner_id AS TEXT) IS NULL OR scanner_id = :scanner_id)
   AND (CAST(:type AS TEXT) IS NULL OR kind = :type)
   AND NOT (occurred_at < :since OR occurred_at >= :until)
 ORDER BY id DESC
 LIMIT :limit;

-- list_event_ids_at --
-- The same for one location.
SELECT id
  FROM stock_event
 WHERE location_id = :location_id
   AND id < :before
   AND (CAST(:within AS BIGINT) IS NULL OR location_id IN (locations_within(:within)))
   AND (CAST(:user_id AS BIGINT) IS NULL OR user_id = :user_id)
   AND (CAST(:scanner_id AS TEXT) IS NULL OR scanner_id = :scanner_id)
   AND (CAST(:type AS TEXT) IS NULL OR kind = :type)
   AND NOT (occurred_at < :since OR occurred_at >= :until)
 ORDER BY id DESC
 LIMIT :limit;

-- list_event_ids_of_lot --
-- The same for one lot: the events of its SKUs are among those of their items, which have an index.
SELECT event.id
  FROM sku CROSS JOIN stock_event AS event
 WHERE sku.lot = :lot AND sku.lot <> ''
   AND event.item_id = sku.item_id AND event.sku_id = sku.id
   AND (CAST(:serial AS TEXT) IS NULL OR sku.serial = :serial)
   AND event.id < :before
   AND (CAST(:location_id AS BIGINT) IS NULL OR event.location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR event.location_id IN (locations_within(:within)))
   AND (CAST(:user_id AS BIGINT) IS NULL OR event.user_id = :user_id)
   AND (CAST(:scanner_id AS TEXT) IS NULL OR event.scanner_id = :scanner_id)
   AND (CAST(:type AS TEXT) IS NULL OR event.kind = :type)
   AND NOT (event.occurred_at < :since OR event.occurred_at >= :until)
 ORDER BY event.id DESC
 LIMIT :limit;

-- list_event_ids_of_serial --
-- The same for one serial number.
SELECT event.id
  FROM sku CROSS JOIN stock_event AS event
 WHERE sku.serial = :serial AND sku.serial <> ''
   AND event.item_id = sku.item_id AND event.sku_id = sku.id
   AND (CAST(:lot AS TEXT) IS NULL OR sku.lot = :lot)
   AND event.id < :before
   AND (CAST(:location_id AS BIGINT) IS NULL OR event.location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR event.location_id IN (locations_within(:within)))
   AND (CAST(:user_id AS BIGINT) IS NULL OR event.user_id = :user_id)
   AND (CAST(:scanner_id AS TEXT) IS NULL OR event.scanner_id = :scanner_id)
   AND (CAST(:type AS TEXT) IS NULL OR event.kind = :type)
   AND NOT (event.occurred_at < :since OR event.occurred_at >= :until)
 ORDER BY event.id DESC
 LIMIT :limit;

-- list_event_ids_within --
-- The same for a location and all that are in it: of each as many as the page has, by the index of its events.
SELECT event.id
  FROM location CROSS JOIN stock_event AS event
 WHERE location.id IN (locations_within(:within))
   AND event.location_id = location.id
   AND event.id < :before
   AND event.id >= coalesce((SELECT last.id FROM stock_event AS last
                              WHERE last.location_id = location.id AND last.id < :before
                                AND (CAST(:user_id AS BIGINT) IS NULL OR last.user_id = :user_id)
                                AND (CAST(:scanner_id AS TEXT) IS NULL OR last.scanner_id = :scanner_id)
                                AND (CAST(:type AS TEXT) IS NULL OR last.kind = :type)
                                AND NOT (last.occurred_at < :since OR last.occurred_at >= :until)
                              ORDER BY last.id DESC LIMIT 1 OFFSET :limit), 0)
   AND (CAST(:user_id AS BIGINT) IS NULL OR event.user_id = :user_id)
   AND (CAST(:scanner_id AS TEXT) IS NULL OR event.scanner_id = :scanner_id)
   AND (CAST(:type AS TEXT) IS NULL OR event.kind = :type)
   AND NOT (event.occurred_at < :since OR event.occurred_at >= :until)
 ORDER BY event.id DESC
 LIMIT :limit;

-- list_event_ids_of_user --
-- The same for one user.
SELECT id
  FROM stock_event
 WHERE user_id = :user_id
   AND id < :before
   AND (CAST(:location_id AS BIGINT) IS NULL OR location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR location_id IN (locations_within(:within)))
   AND (CAST(:scanner_id AS TEXT) IS NULL OR scanner_id = :scanner_id)
   AND (CAST(:type AS TEXT) IS NULL OR kind = :type)
   AND NOT (occurred_at < :since OR occurred_at >= :until)
 ORDER BY id DESC
 LIMIT :limit;

-- list_event_ids_of_scanner --
-- The same for one scanner.
SELECT id
  FROM stock_event
 WHERE scanner_id = :scanner_id
   AND id < :before
   AND (CAST(:location_id AS BIGINT) IS NULL OR location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR location_id IN (locations_within(:within)))
   AND (CAST(:user_id AS BIGINT) IS NULL OR user_id = :user_id)
   AND (CAST(:type AS TEXT) IS NULL OR kind = :type)
   AND NOT (occurred_at < :since OR occurred_at >= :until)
 ORDER BY id DESC
 LIMIT :limit;

-- list_event_ids_of_rare_kind --
-- The same for a kind other than the common ones.
SELECT id
  FROM stock_event
 WHERE kind = :type
   AND kind NOT IN ('add', 'remove')
   AND id < :before
   AND (CAST(:location_id AS BIGINT) IS NULL OR location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR location_id IN (locations_within(:within)))
   AND (CAST(:user_id AS BIGINT) IS NULL OR user_id = :user_id)
   AND (CAST(:scanner_id AS TEXT) IS NULL OR scanner_id = :scanner_id)
   AND NOT (occurred_at < :since OR occurred_at >= :until)
 ORDER BY id DESC
 LIMIT :limit;

-- list_event_ids_between --
-- The same for a short time, by its index; id + 0 keeps SQLite from reading all ids below.
SELECT id
  FROM stock_event
 WHERE occurred_at >= :since AND occurred_at < :until
   AND id + 0 < :before
   AND (CAST(:location_id AS BIGINT) IS NULL OR location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR location_id IN (locations_within(:within)))
   AND (CAST(:user_id AS BIGINT) IS NULL OR user_id = :user_id)
   AND (CAST(:scanner_id AS TEXT) IS NULL OR scanner_id = :scanner_id)
   AND (CAST(:type AS TEXT) IS NULL OR kind = :type)
 ORDER BY id + 0 DESC
 LIMIT :limit;

-- count_events_between --
-- The number of events that occurred in a time, or :most if it is larger.
SELECT count(*)
  FROM (SELECT 1 FROM stock_event WHERE occurred_at >= :since AND occurred_at < :until LIMIT :most) AS counted;

-- count_entries_by_day --
-- The number of entries of each kind between each two of the times :bounds, which are in order; days without any are
-- left out. The two sides of a transfer count once. Each day is read by the index of time.
SELECT day.since, event.kind, count(*) AS number
  FROM (SELECT value AS since, lead(value) OVER (ORDER BY value) AS until
          FROM json_each(CAST(:bounds AS TEXT))) AS day
  JOIN stock_event AS event ON event.occurred_at >= day.since AND event.occurred_at < day.until
 WHERE event.transfer_id IS NULL OR event.transfer_id = event.id
 GROUP BY day.since, event.kind;

-- count_entries_of_items_by_day --
-- The same for the items :ids, by the index of their events; :since and :until are the first and the last of :bounds.
WITH chosen (id, kind, occurred_at) AS MATERIALIZED (
    SELECT coalesce(transfer_id, id), kind, occurred_at
      FROM stock_event
     WHERE item_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
       AND NOT (occurred_at < :since OR occurred_at >= :until)
)
SELECT day.since, chosen.kind, count(DISTINCT chosen.id) AS number
  FROM (SELECT value AS since, lead(value) OVER (ORDER BY value) AS until
          FROM json_each(CAST(:bounds AS TEXT))) AS day
  JOIN chosen ON chosen.occurred_at >= day.since AND chosen.occurred_at < day.until
 GROUP BY day.since, chosen.kind;

-- list_events_by_id --
-- The events :ids, newest first.
SELECT id, event_id, type, item_id, location_id, sku_id, delta, quantity_after, occurred_at, recorded_at, user_id,
       scanner_id, batch_id, transfer_id, reverses_id, reversed_by_id, note, expiry_date, lot, serial, opened_on
  FROM event_detail
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
 ORDER BY id DESC;

-- list_events_of_item --
-- The ledger of one item in the same way, by the index of its events, and only ids above :after.
SELECT id, event_id, type, item_id, location_id, sku_id, delta, quantity_after, occurred_at, recorded_at, user_id,
       scanner_id, batch_id, transfer_id, reverses_id, reversed_by_id, note, expiry_date, lot, serial, opened_on
  FROM event_detail
 WHERE item_id = :item_id
   AND id < :before
   AND id > :after
   AND (CAST(:location_id AS BIGINT) IS NULL OR location_id = :location_id)
   AND (CAST(:within AS BIGINT) IS NULL OR location_id IN (locations_within(:within)))
   AND (CAST(:user_id AS BIGINT) IS NULL OR user_id = :user_id)
   AND (CAST(:scanner_id AS TEXT) IS NULL OR scanner_id = :scanner_id)
   AND (CAST(:type AS TEXT) IS NULL OR type = :type)
   AND (CAST(:lot AS TEXT) IS NULL OR lot = :lot)
   AND (CAST(:serial AS TEXT) IS NULL OR serial = :serial)
   AND NOT (occurred_at < :since OR occurred_at >= :until)
 ORDER BY id DESC
 LIMIT :limit;

-- describe_events --
-- What people read of the events :ids: the names of their items, locations and users, the units of their SKUs, and
-- whether they brought stock of an item to the one that it was merged into.
SELECT stock_event.id, item.name AS item_name, item.code AS item_code, location.path AS location_path,
       location.storage_type, sku.unit, user_account.username,
       EXISTS (SELECT 1 FROM stock_event AS side
                WHERE side.transfer_id = stock_event.transfer_id AND side.item_id <> stock_event.item_id) AS is_of_merge
  FROM stock_event
  JOIN item ON item.id = stock_event.item_id
  JOIN location ON location.id = stock_event.location_id
  JOIN sku ON sku.id = stock_event.sku_id
  LEFT JOIN user_account ON user_account.id = stock_event.user_id
 WHERE stock_event.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));
