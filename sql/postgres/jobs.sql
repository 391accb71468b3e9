-- Several processes claim jobs at once and wait for nobody: they skip what another one is claiming.

-- find_claimable_job --
-- The job to claim next, locked: of these kinds, due, and the first of its key, if none of the key runs and it is not
-- :skipped. A job that is due since :aged or longer counts as urgent. Jobs that another process claims now are skipped.
SELECT waiting.id, waiting.concurrency_key
  FROM job AS waiting
 WHERE waiting.status = 'queued' AND waiting.run_after <= :now
   AND waiting.kind IN (SELECT value FROM json_each(CAST(:kinds AS TEXT)))
   AND (waiting.concurrency_key IS NULL
        OR (waiting.concurrency_key NOT IN (SELECT value FROM json_each(CAST(:skipped AS TEXT)))
            AND NOT EXISTS (SELECT 1 FROM job AS other
                             WHERE other.status = 'running' AND other.concurrency_key = waiting.concurrency_key)
            AND NOT EXISTS (SELECT 1 FROM job AS earlier
                             WHERE earlier.status = 'queued' AND earlier.run_after <= :now
                               AND earlier.concurrency_key = waiting.concurrency_key
                               AND (CASE WHEN earlier.run_after <= :aged THEN 0 ELSE earlier.priority END,
                                    earlier.run_after, earlier.id)
                                   < (CASE WHEN waiting.run_after <= :aged THEN 0 ELSE waiting.priority END,
                                      waiting.run_after, waiting.id))))
 ORDER BY CASE WHEN waiting.run_after <= :aged THEN 0 ELSE waiting.priority END, waiting.run_after, waiting.id
 LIMIT 1
   FOR UPDATE OF waiting SKIP LOCKED;

-- try_concurrency_key --
-- Whether this transaction may claim a job of the key, until it ends; not while another one does.
SELECT pg_try_advisory_xact_lock(77862603, hashtext(CAST(:key AS TEXT)));

-- lock_job --
-- Locks a job until the transaction ends.
SELECT id FROM job WHERE id = :id FOR UPDATE;
