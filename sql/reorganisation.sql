-- Plans of moves, and the stock they are computed from.

-- list_spots --
-- Every active location that is no person. A box itself is like a location in no box: it may hold several items.
SELECT id, path AS name, CASE WHEN loc_no IS NOT NULL THEN box_no END AS box_no, loc_no, storage_type
  FROM location
 WHERE is_active AND kind = 'place';

-- list_things --
-- The items with stock at hand, with their types.
SELECT item.id, item.name, item.default_storage_type AS storage_type, item_type.name AS type_name
  FROM item
  LEFT JOIN item_type ON item_type.id = item.type_id
 WHERE EXISTS (SELECT 1 FROM sku
                WHERE sku.item_id = item.id AND sku.quantity_milli <> 0
                  AND sku.location_id NOT IN (SELECT id FROM location WHERE kind = 'person'));

-- list_tags_of_things --
-- The tags of every item, in a fixed order.
SELECT item_tag.item_id, tag.name
  FROM item_tag
  JOIN tag ON tag.id = item_tag.tag_id
 ORDER BY item_tag.item_id, tag.name_key;

-- list_lots --
-- All SKUs, including empty ones: they have the unit of a lot at a location. What is lent is not moved.
SELECT item_id, location_id, expiry_date, lot, serial, opened_on, quantity_milli, unit
  FROM sku
 WHERE location_id NOT IN (SELECT id FROM location WHERE kind = 'person');

-- list_items_at --
-- The items with stock at the locations :ids.
SELECT DISTINCT sku.location_id, sku.item_id, item.name
  FROM sku
  JOIN item ON item.id = sku.item_id
 WHERE sku.location_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
   AND sku.quantity_milli <> 0
 ORDER BY sku.location_id, item.name, sku.item_id;

-- lock_locations --
-- Locks the locations :ids against stock events until the transaction ends. SQLite needs no lock.
SELECT id
  FROM location
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- add_plan --
-- Adds a plan to compute.
INSERT INTO reorg_plan (status, max_moves, created_by, created_at, expires_at)
VALUES ('computing', :max_moves, :created_by, :created_at, :expires_at)
RETURNING id;

-- count_open_plans --
-- Counts the plans that are neither applied, discarded, failed nor expired.
SELECT count(*)
  FROM reorg_plan
 WHERE status IN ('computing', 'proposed') AND expires_at > :now;

-- lock_plan --
-- Locks a plan until the transaction ends. SQLite's single writer needs no lock.
SELECT id
  FROM reorg_plan
 WHERE id = :id;

-- get_plan --
-- One plan; it is undone when the ledger has its whole batch undone.
SELECT id,
       CASE WHEN status = 'applied'
                 AND NOT EXISTS (SELECT 1 FROM stock_event AS event
                                  WHERE event.batch_id = reorg_plan.batch_id AND event.kind <> 'undo'
                                    AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal
                                                     WHERE reversal.reverses_id = event.id))
                 THEN 'undone'
            ELSE status END AS status,
       max_moves, has_more, freed_boxes AS freed_boxes_json,
       (SELECT count(*) FROM reorg_move WHERE reorg_move.plan_id = reorg_plan.id) AS move_count,
       created_by, created_at, expires_at, applied_by, applied_at, batch_id
  FROM reorg_plan
 WHERE id = :id;

-- list_plans --
-- Plans, newest first.
SELECT id,
       CASE WHEN status = 'applied'
                 AND NOT EXISTS (SELECT 1 FROM stock_event AS event
                                  WHERE event.batch_id = reorg_plan.batch_id AND event.kind <> 'undo'
                                    AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal
                                                     WHERE reversal.reverses_id = event.id))
                 THEN 'undone'
            ELSE status END AS status,
       max_moves, has_more, freed_boxes AS freed_boxes_json,
       (SELECT count(*) FROM reorg_move WHERE reorg_move.plan_id = reorg_plan.id) AS move_count,
       created_by, created_at, expires_at, applied_by, applied_at, batch_id
  FROM reorg_plan
 ORDER BY /* sort: id; move_count; created_at; expires_at */ id DESC
 LIMIT :limit OFFSET :skip;

-- propose_plan --
-- Marks a plan as computed, unless it was discarded in the meantime.
UPDATE reorg_plan
   SET status = 'proposed', has_more = :has_more, freed_boxes = :freed_boxes
 WHERE id = :id AND status IN ('computing', 'failed');

-- fail_plan --
-- Marks a plan as failed.
UPDATE reorg_plan
   SET status = 'failed'
 WHERE id = :id AND status = 'computing';

-- discard_plan --
-- Discards a plan that was not applied.
UPDATE reorg_plan
   SET status = 'discarded'
 WHERE id = :id AND status <> 'applied';

-- apply_plan --
-- Marks a plan as applied, with its batch.
UPDATE reorg_plan
   SET status = 'applied', applied_by = :applied_by, applied_at = :applied_at, batch_id = :batch_id
 WHERE id = :id;

-- remove_old_plans --
-- Removes plans that were not applied, some time after they expired.
DELETE FROM reorg_plan
 WHERE status <> 'applied' AND expires_at < :before;

-- add_move --
-- Adds a lot that a plan moves.
INSERT INTO reorg_move (plan_id, step, item_id, from_location_id, to_location_id, expiry_date, lot, serial,
                        opened_on, quantity_milli, unit, reason)
VALUES (:plan_id, :step, :item_id, :from_location_id, :to_location_id, :expiry_date, :lot, :serial,
        :opened_on, :quantity_milli, :unit, :reason);

-- note_moved --
-- Stores the moved quantity of a lot.
UPDATE reorg_move
   SET moved_milli = :moved_milli
 WHERE id = :id;

-- list_moves --
-- The moves of a plan in their order.
SELECT move.id, move.step, move.item_id, item.code, item.name,
       move.from_location_id, here.name AS from_name, here.path AS from_path, here.box_no AS from_box_no,
       here.loc_no AS from_loc_no,
       move.to_location_id, there.name AS to_name, there.path AS to_path, there.box_no AS to_box_no,
       there.loc_no AS to_loc_no,
       move.expiry_date, move.lot, move.serial, move.opened_on, move.quantity_milli, move.unit, move.reason, move.moved_milli
  FROM reorg_move AS move
  JOIN item ON item.id = move.item_id
  JOIN location AS here ON here.id = move.from_location_id
  JOIN location AS there ON there.id = move.to_location_id
 WHERE move.plan_id = :plan_id
 ORDER BY move.id;
