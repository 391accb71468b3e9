-- Scanners and their states.

-- find_scanners --
-- The states of the scanners :scanner_ids; an inactive location is NULL.
SELECT scanner.scanner_id, scanner.mode, location.id AS location_id, location.name AS location_name,
       location.path AS location_path, scanner.associated_user_id, user_account.username AS associated_user,
       scanner.last_seen, scanner.last_scan, scanner.view, scanner.user_id, scanner.next_quantity_milli
  FROM scanner
  LEFT JOIN location ON location.id = scanner.location_id AND location.is_active
  LEFT JOIN user_account ON user_account.id = scanner.associated_user_id
 WHERE scanner.scanner_id IN (SELECT value FROM json_each(CAST(:scanner_ids AS TEXT)));

-- lock_next_quantities --
-- What the next scans of :scanner_ids count.
SELECT scanner_id, next_quantity_milli
  FROM scanner
 WHERE scanner_id IN (SELECT value FROM json_each(CAST(:scanner_ids AS TEXT)));

-- list_scanners --
-- Every known scanner.
SELECT scanner.scanner_id, scanner.mode, location.id AS location_id, location.name AS location_name,
       location.path AS location_path, scanner.associated_user_id, user_account.username AS associated_user,
       scanner.last_seen, scanner.last_scan, scanner.view, scanner.user_id, scanner.next_quantity_milli
  FROM scanner
  LEFT JOIN location ON location.id = scanner.location_id AND location.is_active
  LEFT JOIN user_account ON user_account.id = scanner.associated_user_id
 WHERE NOT :associated_only OR scanner.associated_user_id IS NOT NULL
 ORDER BY /* sort: scanner_id = scanner.scanner_id; mode = scanner.mode; last_seen = scanner.last_seen NULLS LAST */
          scanner.scanner_id
 LIMIT :limit OFFSET :skip;

-- find_scanner_of_user --
-- The scanner that a user used last.
SELECT scanner_id
  FROM scanner
 WHERE user_id = :user_id
 ORDER BY last_seen DESC NULLS LAST, id
 LIMIT 1;

-- touch_scanners --
-- Updates when a scanner was last seen.
INSERT INTO scanner (scanner_id, user_id, last_seen, last_scan)
VALUES (:scanner_id, :user_id, :last_seen, :last_scan)
ON CONFLICT (scanner_id) DO UPDATE
   SET user_id = excluded.user_id, last_seen = excluded.last_seen,
       last_scan = coalesce(excluded.last_scan, scanner.last_scan);

-- set_scanner_state --
-- Mode and location of a scanner, known or new.
INSERT INTO scanner (scanner_id, mode, location_id)
VALUES (:scanner_id, :mode, :location_id)
ON CONFLICT (scanner_id) DO UPDATE
   SET mode = excluded.mode, location_id = excluded.location_id;

-- set_next_quantity --
-- What the next booked scan of the known scanners :scanner_ids counts; NULL for what it says itself.
UPDATE scanner
   SET next_quantity_milli = :next_quantity_milli
 WHERE scanner_id IN (SELECT value FROM json_each(CAST(:scanner_ids AS TEXT)));

-- associate_scanner --
-- Associates a scanner with a user; with none for NULL.
INSERT INTO scanner (scanner_id, associated_user_id)
VALUES (:scanner_id, :user_id)
ON CONFLICT (scanner_id) DO UPDATE
   SET associated_user_id = excluded.associated_user_id;

-- set_scanner_view --
-- Sets the view that the pages of the associated user show.
INSERT INTO scanner (scanner_id, view)
VALUES (:scanner_id, :view)
ON CONFLICT (scanner_id) DO UPDATE
   SET view = excluded.view;

-- find_last_event_of_scanner --
-- The newest event of a scanner that is neither undone nor itself an undo.
SELECT event.id
  FROM stock_event AS event
 WHERE event.scanner_id = :scanner_id AND event.kind <> 'undo'
   AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = event.id)
 ORDER BY event.id DESC
 LIMIT 1;

-- find_active_user_id --
-- The id, if it is that of an active user.
SELECT id
  FROM user_account
 WHERE id = :id AND is_active;
