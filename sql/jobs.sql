-- Jobs: long-running work, its leases and its history.

-- add_job --
-- Adds a queued or running job; no row when its once_key exists.
INSERT INTO job (kind, status, once_key, parameters, attempts, max_attempts, run_after, owner, lease_until, created_by,
                 created_at, started_at)
VALUES (:kind, :status, :once_key, :parameters, :attempts, :max_attempts, :run_after, :owner, :lease_until, :created_by,
        :created_at, :started_at)
ON CONFLICT (once_key) WHERE once_key IS NOT NULL DO NOTHING
RETURNING id;

-- find_waiting_job --
-- A queued job of this kind that is due.
SELECT id
  FROM job
 WHERE kind = :kind AND status = 'queued' AND run_after <= :now
 LIMIT 1;

-- lock_job_claims --
-- Lets one process at a time claim a job. No-op: one process serves one SQLite file.
SELECT 0;

-- claim_job --
-- Claims the job that waits longest, except one of the kinds :exclusive while another of its kind runs. One process wins.
UPDATE job
   SET status = 'running', owner = :owner, lease_until = :lease_until, attempts = attempts + 1, started_at = :now,
       error = NULL, error_status = NULL
 WHERE status = 'queued'
   AND id = (SELECT waiting.id FROM job AS waiting
              WHERE waiting.status = 'queued' AND waiting.run_after <= :now
                AND waiting.kind IN (SELECT value FROM json_each(CAST(:kinds AS TEXT)))
                AND NOT (waiting.kind IN (SELECT value FROM json_each(CAST(:exclusive AS TEXT)))
                         AND EXISTS (SELECT 1 FROM job AS other
                                      WHERE other.status = 'running' AND other.kind = waiting.kind))
              ORDER BY waiting.run_after, waiting.id LIMIT 1)
RETURNING id, kind, parameters AS parameters_json, max_attempts, attempts;

-- renew_job_leases --
-- Extends the leases of this process's jobs :ids.
UPDATE job
   SET lease_until = :lease_until
 WHERE owner = :owner AND status = 'running'
   AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- note_job_progress --
-- Stores a job's progress.
UPDATE job
   SET phase = :phase, done = :done, total = :total, unit = :unit
 WHERE id = :id AND owner = :owner AND status = 'running';

-- end_job --
-- Stores a job's result or error.
UPDATE job
   SET status = :status, result = :result, error = :error, error_status = :error_status, finished_at = :finished_at,
       phase = :phase, done = :done, total = :total, unit = :unit, lease_until = NULL
 WHERE id = :id AND owner = :owner AND status = 'running';

-- put_job_back --
-- Queues a failed job for another attempt.
UPDATE job
   SET status = 'queued', error = :error, run_after = :run_after, lease_until = NULL, owner = NULL
 WHERE id = :id AND owner = :owner AND status = 'running';

-- end_interrupted_jobs --
-- Ends jobs whose process has gone, or that their own process does not run: queued again if they have attempts left,
-- else failed.
UPDATE job
   SET status = CASE WHEN attempts < max_attempts THEN 'queued' ELSE 'failed' END,
       finished_at = CASE WHEN attempts < max_attempts THEN NULL ELSE coalesce(:now, finished_at) END,
       error = 'interrupted: the process of the job has ended', run_after = :now, lease_until = NULL, owner = NULL
 WHERE status = 'running'
   AND ((owner <> :owner AND lease_until < :expired_before)
        OR (owner = :owner AND lease_until < :now
            AND id NOT IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:running AS TEXT)))))
RETURNING id, kind, status, error;

-- get_job --
-- One job.
SELECT id, kind, status, phase, done, total, unit, result AS result_json, error, error_status, attempts, created_by,
       created_at, started_at, finished_at, parameters AS parameters_json
  FROM job
 WHERE id = :id;

-- list_jobs --
-- Jobs, newest first.
SELECT id, kind, status, phase, done, total, unit, result AS result_json, error, error_status, attempts, created_by,
       created_at, started_at, finished_at, parameters AS parameters_json
  FROM job
 WHERE (CAST(:status AS TEXT) IS NULL OR status = :status)
   AND (CAST(:kind AS TEXT) IS NULL OR kind = :kind)
   AND (CAST(:created_by AS TEXT) IS NULL OR created_by = :created_by)
 ORDER BY /* sort: id; kind; status; created_at; started_at = started_at NULLS LAST;
             finished_at = finished_at NULLS LAST */
          id DESC
 LIMIT :limit OFFSET :skip;

-- list_open_jobs --
-- The parameters of the jobs of a kind that have not ended.
SELECT parameters AS parameters_json
  FROM job
 WHERE kind = :kind AND status IN ('queued', 'running');

-- remove_old_jobs --
-- Removes jobs that ended before :before or are not among the last :limit, except recent once_keys.
DELETE FROM job
 WHERE status IN ('done', 'failed')
   AND (finished_at < :before
        OR (id <= (SELECT coalesce(max(id), 0) FROM job) - :limit AND (once_key IS NULL OR created_at < :recent)));
