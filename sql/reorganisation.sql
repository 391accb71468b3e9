-- Plans of moves, and what they are made from.

-- list_spots --
-- Every location in use.
SELECT id, name, box_no, loc_no, storage_type
  FROM location
 WHERE is_active;

-- list_things --
-- The items that there is something of, with their types.
SELECT item.id, item.name, item.default_storage_type AS storage_type, item_type.name AS type_name
  FROM item
  LEFT JOIN item_type ON item_type.id = item.type_id
 WHERE EXISTS (SELECT 1 FROM sku WHERE sku.item_id = item.id AND sku.quantity_milli <> 0);

-- list_tags_of_things --
-- The tags of every item, in one order.
SELECT item_tag.item_id, tag.name
  FROM item_tag
  JOIN tag ON tag.id = item_tag.tag_id
 ORDER BY item_tag.item_id, tag.name_key;

-- list_lots --
-- All stock records, also of nothing: they say in which unit a lot is counted at a place.
SELECT item_id, location_id, expiry_date, quantity_milli, unit
  FROM sku;

-- list_items_at --
-- Which items lie at the locations :ids.
SELECT DISTINCT sku.location_id, sku.item_id, item.name
  FROM json_each(CAST(:ids AS TEXT)) AS wanted
  JOIN sku ON sku.location_id = CAST(wanted.value AS BIGINT)
  JOIN item ON item.id = sku.item_id
 WHERE sku.quantity_milli <> 0
 ORDER BY sku.location_id, item.name, sku.item_id;

-- lock_locations --
-- Nothing comes to the locations :ids, or goes from them, until the transaction ends. SQLite needs no lock.
SELECT id
  FROM location
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- add_plan --
-- A plan that is going to be computed.
INSERT INTO reorg_plan (status, max_moves, created_by, created_at, expires_at)
VALUES ('computing', :max_moves, :created_by, :created_at, :expires_at)
RETURNING id;

-- count_open_plans --
-- How many plans wait for someone's word.
SELECT count(*)
  FROM reorg_plan
 WHERE status IN ('computing', 'proposed') AND expires_at > :now;

-- lock_plan --
-- Keeps a plan as it is until the transaction ends. SQLite's one writer needs no lock.
SELECT id
  FROM reorg_plan
 WHERE id = :id;

-- get_plan --
-- One plan; the ledger says whether what was applied has all been undone.
SELECT id,
       CASE WHEN status IN ('computing', 'proposed') AND expires_at <= :now THEN 'expired'
            WHEN status = 'applied'
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
       CASE WHEN status IN ('computing', 'proposed') AND expires_at <= :now THEN 'expired'
            WHEN status = 'applied'
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
 ORDER BY id DESC
 LIMIT :limit OFFSET :skip;

-- propose_plan --
-- It has been computed, unless someone discarded it meanwhile.
UPDATE reorg_plan
   SET status = 'proposed', has_more = :has_more, freed_boxes = :freed_boxes
 WHERE id = :id AND status IN ('computing', 'failed');

-- fail_plan --
-- It could not be computed.
UPDATE reorg_plan
   SET status = 'failed'
 WHERE id = :id AND status = 'computing';

-- discard_plan --
-- Nobody is going to apply it.
UPDATE reorg_plan
   SET status = 'discarded'
 WHERE id = :id AND status <> 'applied';

-- apply_plan --
-- It was applied, as this batch of the ledger.
UPDATE reorg_plan
   SET status = 'applied', applied_by = :applied_by, applied_at = :applied_at, batch_id = :batch_id
 WHERE id = :id;

-- remove_old_plans --
-- What nobody applied, some time after it expired.
DELETE FROM reorg_plan
 WHERE status <> 'applied' AND expires_at < :before;

-- add_move --
-- A lot that a plan moves.
INSERT INTO reorg_move (plan_id, step, item_id, from_location_id, to_location_id, expiry_date, quantity_milli, unit, reason)
VALUES (:plan_id, :step, :item_id, :from_location_id, :to_location_id, :expiry_date, :quantity_milli, :unit, :reason);

-- note_moved --
-- How much of a lot there was to move.
UPDATE reorg_move
   SET moved_milli = :moved_milli
 WHERE id = :id;

-- list_moves --
-- The moves of a plan in their order.
SELECT move.id, move.step, move.item_id, item.code, item.name,
       move.from_location_id, here.name AS from_name, here.box_no AS from_box_no, here.loc_no AS from_loc_no,
       move.to_location_id, there.name AS to_name, there.box_no AS to_box_no, there.loc_no AS to_loc_no,
       move.expiry_date, move.quantity_milli, move.unit, move.reason, move.moved_milli
  FROM reorg_move AS move
  JOIN item ON item.id = move.item_id
  JOIN location AS here ON here.id = move.from_location_id
  JOIN location AS there ON there.id = move.to_location_id
 WHERE move.plan_id = :plan_id
 ORDER BY move.id;
