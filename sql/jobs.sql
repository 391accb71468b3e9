-- Jobs: long-running work, its leases and its history.

-- add_job --
-- Adds a queued or running job; no row when its once_key exists.
INSERT INTO job (kind, status, once_key, priority, concurrency_key, parameters, attempts, max_attempts, run_after, owner,
                 lease_until, created_by, created_at, started_at)
VALUES (:kind, :status, :once_key, :priority, :concurrency_key, :parameters, :attempts, :max_attempts, :run_after, :owner,
        :lease_until, :created_by, :created_at, :started_at)
ON CONFLICT (once_key) WHERE once_key IS NOT NULL DO NOTHING
RETURNING id;

-- find_waiting_job --
-- A queued job of this kind that is due.
SELECT id
  FROM job
 WHERE kind = :kind AND status = 'queued' AND run_after <= :now
 LIMIT 1;

-- find_claimable_job --
-- The job to claim next: of these kinds, due, and the first of its key, if none of the key runs and it is not :skipped.
-- A job that is due since :aged or longer counts as urgent.
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
 LIMIT 1;

-- try_concurrency_key --
-- Whether this transaction may claim a job of the key. Always: one process with one writer serves a SQLite file.
SELECT :key IS NOT NULL;

-- claim_job --
-- Claims a queued job, unless a job of its key runs.
UPDATE job
   SET status = 'running', owner = :owner, lease_until = :lease_until, attempts = attempts + 1, started_at = :now,
       error = NULL, error_status = NULL
 WHERE id = :id AND status = 'queued'
   AND NOT EXISTS (SELECT 1 FROM job AS other
                    WHERE other.status = 'running' AND other.concurrency_key = job.concurrency_key)
RETURNING id, kind, parameters AS parameters_json, max_attempts, attempts, cancel_requested_at;

-- renew_job_leases --
-- Extends the leases of this process's jobs :ids; a job that is not returned was lost to another process.
UPDATE job
   SET lease_until = :lease_until
 WHERE owner = :owner AND status = 'running'
   AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
RETURNING id, attempts, cancel_requested_at;

-- note_job_progress --
-- Stores the progress of an attempt; returns whether it is to stop.
UPDATE job
   SET phase = :phase, done = :done, total = :total, unit = :unit
 WHERE id = :id AND owner = :owner AND attempts = :attempts AND status = 'running'
RETURNING id, attempts, cancel_requested_at;

-- end_job --
-- Stores the result or error of an attempt, which ends the job.
UPDATE job
   SET status = :status, result = :result, error = :error, error_status = :error_status, finished_at = :finished_at,
       phase = :phase, done = :done, total = :total, unit = :unit, lease_until = NULL
 WHERE id = :id AND owner = :owner AND attempts = :attempts AND status = 'running';

-- put_job_back --
-- Queues a job for another attempt after one that failed. With :can_stop, a job that is to stop is cancelled instead;
-- without, the request is withdrawn.
UPDATE job
   SET status = CASE WHEN cancel_requested_at IS NOT NULL AND CAST(:can_stop AS BOOLEAN) THEN 'cancelled'
                     ELSE 'queued' END,
       error = CASE WHEN cancel_requested_at IS NOT NULL AND CAST(:can_stop AS BOOLEAN) THEN 'cancelled'
                    ELSE :error END,
       finished_at = CASE WHEN cancel_requested_at IS NOT NULL AND CAST(:can_stop AS BOOLEAN)
                          THEN coalesce(:now, finished_at) END,
       cancel_requested_at = CASE WHEN CAST(:can_stop AS BOOLEAN) THEN cancel_requested_at END,
       run_after = :run_after, lease_until = NULL, owner = NULL
 WHERE id = :id AND owner = :owner AND attempts = :attempts AND status = 'running'
RETURNING status;

-- end_interrupted_jobs --
-- Ends jobs whose process has gone, or that their own process does not run: queued again if they have attempts left,
-- else cancelled if a user asked for it, else failed.
UPDATE job
   SET status = CASE WHEN attempts < max_attempts THEN 'queued'
                     WHEN cancel_requested_at IS NOT NULL THEN 'cancelled' ELSE 'failed' END,
       finished_at = CASE WHEN attempts < max_attempts THEN NULL ELSE coalesce(:now, finished_at) END,
       error = 'interrupted: the process of the job has ended', run_after = :now, lease_until = NULL, owner = NULL
 WHERE status = 'running'
   AND ((owner <> :owner AND lease_until < :expired_before)
        OR (owner = :owner AND lease_until < :now
            AND id NOT IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:running AS TEXT)))))
RETURNING id, kind, parameters AS parameters_json, status, error, concurrency_key;

-- set_job_key --
-- Gives a job that waits its concurrency_key.
UPDATE job
   SET concurrency_key = :concurrency_key
 WHERE id = :id AND status = 'queued';

-- cancel_queued_job --
-- Ends a queued job that is not wanted.
UPDATE job
   SET status = 'cancelled', error = :error, error_status = NULL, cancel_requested_at = :now, finished_at = :now
 WHERE id = :id AND status = 'queued';

-- request_job_cancel --
-- Asks the process of a running job to stop it.
UPDATE job
   SET cancel_requested_at = coalesce(cancel_requested_at, :now)
 WHERE id = :id AND status = 'running';

-- refuse_job_cancel --
-- Withdraws the request to stop a job that can no longer be stopped.
UPDATE job
   SET cancel_requested_at = NULL
 WHERE id = :id AND owner = :owner AND status = 'running';

-- repeat_job --
-- Queues a job again that has failed or was cancelled, as if it were new. With :stops_once it is still one that was
-- attempted, and may have changed the data.
UPDATE job
   SET status = 'queued', run_after = :now, priority = :priority, concurrency_key = :concurrency_key,
       max_attempts = :max_attempts,
       attempts = CASE WHEN CAST(:stops_once AS BOOLEAN) AND attempts > 0 THEN 1 ELSE 0 END,
       phase = '', done = 0, total = NULL, unit = '', result = NULL, error = NULL, error_status = NULL,
       started_at = NULL, finished_at = NULL, owner = NULL, cancel_requested_at = NULL, dismissed_at = NULL
 WHERE id = :id AND status IN ('failed', 'cancelled');

-- dismiss_job --
-- Marks a failed job, and the earlier failures of its kind, as seen.
UPDATE job
   SET dismissed_at = :now
 WHERE id <= :id AND kind = (SELECT kind FROM job WHERE id = :id) AND status = 'failed' AND dismissed_at IS NULL;

-- lock_job --
-- Locks a job until the transaction ends. No-op: SQLite has one writer.
SELECT id FROM job WHERE id = :id;

-- get_job --
-- One job.
SELECT id, kind, status, phase, done, total, unit, result AS result_json, error, error_status, attempts, max_attempts,
       created_by, created_at, started_at, finished_at, parameters AS parameters_json, priority, concurrency_key,
       run_after, cancel_requested_at, dismissed_at,
       EXISTS (SELECT 1 FROM job AS other
                WHERE other.status = 'running' AND other.concurrency_key = job.concurrency_key) AS is_key_busy
  FROM job
 WHERE id = :id;

-- list_jobs --
-- Jobs, newest first; with :within and :last those that have either in their parameters, with :since those created since.
SELECT id, kind, status, phase, done, total, unit, result AS result_json, error, error_status, attempts, max_attempts,
       created_by, created_at, started_at, finished_at, parameters AS parameters_json, priority, concurrency_key,
       run_after, cancel_requested_at, dismissed_at,
       EXISTS (SELECT 1 FROM job AS other
                WHERE other.status = 'running' AND other.concurrency_key = job.concurrency_key) AS is_key_busy
  FROM job
 WHERE (CAST(:status AS TEXT) IS NULL OR status = :status)
   AND (CAST(:kind AS TEXT) IS NULL OR kind = :kind)
   AND (CAST(:within AS TEXT) IS NULL OR parameters LIKE :within OR parameters LIKE :last)
   AND created_at >= :since
   AND (CAST(:dismissed AS BOOLEAN) IS NULL OR (dismissed_at IS NOT NULL) = CAST(:dismissed AS BOOLEAN))
 ORDER BY /* sort: id; kind; status; created_at; started_at = started_at NULLS LAST;
             finished_at = finished_at NULLS LAST */
          id DESC
 LIMIT :limit OFFSET :skip;

-- list_open_jobs --
-- The parameters of the jobs of a kind that have not ended.
SELECT parameters AS parameters_json
  FROM job
 WHERE kind = :kind AND status IN ('queued', 'running');

-- list_repeatable_jobs --
-- The parameters of the jobs of a kind that may be run again: those that failed or were cancelled since :since. Refused
-- requests are no failures.
SELECT parameters AS parameters_json
  FROM job
 WHERE kind = :kind AND status IN ('failed', 'cancelled') AND finished_at > :since
   AND (error_status IS NULL OR error_status >= 500);

-- list_ended_jobs --
-- The parameters of the jobs of a kind that have ended.
SELECT parameters AS parameters_json
  FROM job
 WHERE kind = :kind AND status IN ('done', 'failed', 'cancelled');

-- remove_old_jobs --
-- Removes jobs that ended before :before or are not among the last :limit, except recent once_keys. Failed ones that
-- nobody has dismissed stay until :failed_before, the last :limit of them; refused requests are no failures.
DELETE FROM job
 WHERE status IN ('done', 'failed', 'cancelled')
   AND CASE WHEN status = 'failed' AND dismissed_at IS NULL AND (error_status IS NULL OR error_status >= 500)
            THEN finished_at < :failed_before
                 OR id <= (SELECT id FROM job
                            WHERE status = 'failed' AND dismissed_at IS NULL
                              AND (error_status IS NULL OR error_status >= 500)
                            ORDER BY id DESC LIMIT 1 OFFSET :limit)
            ELSE finished_at < :before
                 OR (id <= (SELECT coalesce(max(id), 0) FROM job) - :limit
                     AND (once_key IS NULL OR created_at < :recent))
       END;
