-- CSV imports: what rows refer to, what an import wrote and what it booked.

-- lock_imports --
-- Lets one import write at a time. SQLite's single writer needs no lock.
SELECT 1 AS locked;

-- find_items_named --
-- The active items with exactly the names :names.
SELECT id, name
  FROM item
 WHERE is_active AND lower(name) IN (SELECT lower(value) FROM json_each(CAST(:names AS TEXT)))
   AND name IN (SELECT value FROM json_each(CAST(:names AS TEXT)));

-- find_named_locations --
-- Active locations with the paths or names of the keys :keys, or in the boxes :box_nos.
SELECT id, name, path, box_no, loc_no, kind
  FROM location
 WHERE is_active
   AND (path_key IN (SELECT value FROM json_each(CAST(:keys AS TEXT)))
        OR name_key IN (SELECT value FROM json_each(CAST(:keys AS TEXT)))
        OR box_no IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:box_nos AS TEXT))));

-- find_item_types --
-- The item types whose names have the keys :keys.
SELECT id, name_key
  FROM item_type
 WHERE name_key IN (SELECT value FROM json_each(CAST(:keys AS TEXT)));

-- find_imported_events --
-- Those of :event_ids in the ledger, with the batch that booked them, and whether they are undone.
SELECT event.event_id, event.batch_id, event.fingerprint,
       EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = event.id) AS is_undone
  FROM stock_event AS event
 WHERE event.event_id IN (SELECT value FROM json_each(CAST(:event_ids AS TEXT)));

-- list_earlier_imports --
-- The finished imports of this key, and whether any of their events is not undone.
SELECT entry.details AS details_json,
       EXISTS (SELECT 1
                 FROM stock_event AS event
                WHERE event.batch_id = entry.request_id AND event.kind <> 'undo'
                  AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = event.id))
       AS is_booked
  FROM audit_entry AS entry
 WHERE entry.subject = 'import' AND entry.subject_id = :key AND entry.action = 'imported'
 ORDER BY entry.id;

-- count_import_entries --
-- Counts an import's audit entries.
SELECT subject, action, count(*) AS entries
  FROM audit_entry
 WHERE request_id = :import_id
 GROUP BY subject, action;

-- count_import_events --
-- Counts the events that an import booked.
SELECT count(*) AS events
  FROM stock_event
 WHERE batch_id = :import_id AND kind <> 'undo';

-- find_imported_project --
-- The project that an import filled.
SELECT subject_id
  FROM audit_entry
 WHERE request_id = :import_id AND action = 'imported' AND subject = 'project';

-- find_project_of_file --
-- The last project that was made by a finished import of this key and is not deleted.
SELECT project.id
  FROM audit_entry AS entry
  JOIN project ON CAST(project.id AS TEXT) = entry.subject_id
 WHERE entry.subject = 'project' AND entry.action = 'imported' AND project.is_active
   AND entry.request_id IN (SELECT request_id
                              FROM audit_entry
                             WHERE subject = 'import' AND subject_id = :key AND action = 'imported')
 ORDER BY entry.id DESC
 LIMIT 1;

-- list_import_entries --
-- What an import created and changed, newest first, with ids below :before.
SELECT id, action, subject, subject_id, details AS details_json
  FROM audit_entry
 WHERE request_id = :import_id AND id < :before
   AND ((action = 'imported' AND subject IN ('item', 'sku'))
        OR (action = 'created' AND subject IN ('item', 'item_type', 'location', 'price')))
 ORDER BY id DESC
 LIMIT :limit;

-- list_types_of_import --
-- The ids of the item types that an import created.
SELECT CAST(subject_id AS BIGINT)
  FROM audit_entry
 WHERE request_id = :import_id AND action = 'created' AND subject = 'item_type';

-- list_import_events --
-- The events of an import that are not undone, newest first, with ids below :before.
SELECT event.id, event.sku_id
  FROM stock_event AS event
 WHERE event.batch_id = :import_id AND event.id < :before AND event.kind <> 'undo'
   AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = event.id)
 ORDER BY event.id DESC
 LIMIT :limit;
