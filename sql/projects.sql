-- Projects, their requirements, and their withdrawals from stock.

-- add_project --
-- A new project.
INSERT INTO project (name, notes, created_at, updated_at)
VALUES (:name, :notes, :created_at, :created_at)
RETURNING id;

-- change_project --
-- Changes a project.
UPDATE project
   SET name = :name, notes = :notes, is_active = :is_active, updated_at = :updated_at
 WHERE id = :id;

-- touch_project --
-- Sets the time of the last change of a project.
UPDATE project
   SET updated_at = :updated_at
 WHERE id = :id;

-- lock_project --
-- Locks a project until the end of the transaction. SQLite's single writer needs no lock.
SELECT id
  FROM project
 WHERE id = :id;

-- get_project --
-- One project that is not deleted.
SELECT id, name, notes, created_at, updated_at
  FROM project
 WHERE id = :id AND is_active;

-- list_project_names --
-- The names of those of the projects :ids that are not deleted.
SELECT id, name
  FROM project
 WHERE is_active AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_projects --
-- Projects in the order they were added; :pattern for LIKE in lower case is optional. A project is
-- withdrawn while the ledger has an event of its withdrawal that is not undone.
SELECT project.id, project.name, project.notes, project.created_at, project.updated_at,
       (SELECT count(*) FROM project_entry AS entry WHERE entry.project_id = project.id) AS item_count,
       EXISTS (SELECT 1 FROM project_withdrawal AS withdrawal
                 JOIN stock_event AS event ON event.batch_id = withdrawal.batch_id
                WHERE withdrawal.project_id = project.id AND event.kind <> 'undo'
                  AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = event.id))
           AS is_withdrawn
  FROM project
 WHERE project.is_active
   AND (CAST(:pattern AS TEXT) IS NULL
        OR contains(project.name, :pattern) OR contains(project.notes, :pattern))
 ORDER BY /* sort: id = project.id; name = lower(project.name); item_count; created_at = project.created_at;
             updated_at = project.updated_at */
          project.id
 LIMIT :limit OFFSET :skip;

-- find_active_withdrawal --
-- The last withdrawal of a project, unless all of it was undone.
SELECT withdrawal.batch_id, withdrawal.user_id, withdrawal.recorded_at
  FROM project_withdrawal AS withdrawal
 WHERE withdrawal.project_id = :project_id
   AND EXISTS (SELECT 1 FROM stock_event AS event
                WHERE event.batch_id = withdrawal.batch_id AND event.kind <> 'undo'
                  AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = event.id))
 ORDER BY withdrawal.id DESC
 LIMIT 1;

-- find_withdrawal_of_event --
-- The withdrawal whose first event is named :event_id.
SELECT withdrawal.project_id, withdrawal.batch_id, event.fingerprint
  FROM stock_event AS event
  JOIN project_withdrawal AS withdrawal ON withdrawal.batch_id = event.batch_id
 WHERE event.event_id = :event_id;

-- add_withdrawal --
-- Stores a withdrawal.
INSERT INTO project_withdrawal (project_id, batch_id, user_id, recorded_at)
VALUES (:project_id, :batch_id, :user_id, :recorded_at);

-- list_requirements --
-- The requirements of a project in the order they were added, with the quantity of each item that can be taken.
SELECT entry.id, entry.item_id, entry.text, entry.quantity_milli, entry.created_at, entry.updated_at,
       coalesce((SELECT item_amount.removable_milli FROM item_amount WHERE item_amount.item_id = entry.item_id), 0)
           AS in_stock_milli
  FROM project_entry AS entry
 WHERE entry.project_id = :project_id
 ORDER BY entry.id;

-- note_listed_project --
-- Notes that what a project lacks is on a shopping list.
INSERT INTO listed_project (list_id, project_id)
VALUES (:list_id, :project_id)
ON CONFLICT DO NOTHING;

-- list_needs_of_listed_projects --
-- What all other projects on the list :list_id need together, of each item or text. A withdrawn project needs nothing.
SELECT need.item_id, need.text, CAST(sum(need.quantity_milli) AS BIGINT) AS quantity_milli
  FROM listed_project AS listed
  JOIN project ON project.id = listed.project_id
  JOIN project_entry AS need ON need.project_id = listed.project_id
 WHERE listed.list_id = :list_id AND listed.project_id <> :project_id AND project.is_active
   AND NOT EXISTS (SELECT 1 FROM project_withdrawal AS withdrawal
                     JOIN stock_event AS event ON event.batch_id = withdrawal.batch_id
                    WHERE withdrawal.project_id = listed.project_id AND event.kind <> 'undo'
                      AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = event.id))
 GROUP BY need.item_id, need.text;

-- add_requirement --
-- Adds a requirement: an item or a placeholder.
INSERT INTO project_entry (project_id, item_id, text, quantity_milli, created_at, updated_at)
VALUES (:project_id, :item_id, :text, :quantity_milli, :created_at, :created_at)
RETURNING id;

-- change_requirement --
-- Changes a requirement.
UPDATE project_entry
   SET text = :text, quantity_milli = :quantity_milli, updated_at = :updated_at
 WHERE id = :id;

-- remove_requirement --
-- Removes a requirement.
DELETE FROM project_entry
 WHERE id = :id;
