-- lock_next_quantities --
-- What the next scans of :scanner_ids count, locked until the end of the transaction.
SELECT scanner_id, next_quantity_milli
  FROM scanner
 WHERE scanner_id IN (SELECT value FROM json_each(CAST(:scanner_ids AS TEXT)))
 ORDER BY scanner_id
   FOR NO KEY UPDATE;

-- touch_scanners by column --
-- Updates when scanners were last seen; each of them once.
INSERT INTO scanner (scanner_id, user_id, last_seen, last_scan)
SELECT scanner_id, user_id, last_seen, last_scan
  FROM unnest(CAST(:scanner_id AS TEXT[]), CAST(:user_id AS BIGINT[]), CAST(:last_seen AS TIMESTAMPTZ[]),
              CAST(:last_scan AS TEXT[]))
       AS seen (scanner_id, user_id, last_seen, last_scan)
ON CONFLICT (scanner_id) DO UPDATE
   SET user_id = excluded.user_id, last_seen = excluded.last_seen,
       last_scan = coalesce(excluded.last_scan, scanner.last_scan);
