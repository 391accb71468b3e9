-- Jobs: what takes a while.

-- add_job --
-- A job that waits, or that a process has begun already; nothing when its once_key is taken.
INSERT INTO job (kind, status, once_key, parameters, attempts, max_attempts, run_after, owner, lease_until, created_by,
                 created_at, started_at)
VALUES (:kind, :status, :once_key, :parameters, :attempts, :max_attempts, :run_after, :owner, :lease_until, :created_by,
        :created_at, :started_at)
ON CONFLICT (once_key) WHERE once_key IS NOT NULL DO NOTHING
RETURNING id;

-- claim_job --
-- The job that waits longest becomes this process's; of several processes that ask, one gets it.
UPDATE job
   SET status = 'running', owner = :owner, lease_until = :lease_until, attempts = attempts + 1, started_at = :now,
       error = NULL, error_status = NULL
 WHERE status = 'queued'
   AND id = (SELECT id FROM job
              WHERE status = 'queued' AND run_after <= :now
                AND kind IN (SELECT value FROM json_each(:kinds))
              ORDER BY run_after, id LIMIT 1)
RETURNING id, kind, parameters AS parameters_json, max_attempts, attempts;

-- renew_job_leases --
-- This process lives.
UPDATE job
   SET lease_until = :lease_until
 WHERE owner = :owner AND status = 'running';

-- note_job_progress --
-- How far a job is.
UPDATE job
   SET phase = :phase, done = :done, total = :total, unit = :unit
 WHERE id = :id AND owner = :owner AND status = 'running';

-- end_job --
-- What came of a job.
UPDATE job
   SET status = :status, result = :result, error = :error, error_status = :error_status, finished_at = :finished_at,
       phase = :phase, done = :done, total = :total, unit = :unit, lease_until = NULL
 WHERE id = :id AND owner = :owner AND status = 'running';

-- put_job_back --
-- A job that failed waits for another attempt.
UPDATE job
   SET status = 'queued', error = :error, run_after = :run_after, lease_until = NULL, owner = NULL
 WHERE id = :id AND owner = :owner AND status = 'running';

-- end_interrupted_jobs --
-- Jobs whose process has gone: those that may be tried again wait, the others have failed.
UPDATE job
   SET status = CASE WHEN attempts < max_attempts THEN 'queued' ELSE 'failed' END,
       finished_at = CASE WHEN attempts < max_attempts THEN NULL ELSE coalesce(:now, finished_at) END,
       error = 'interrupted: the process that worked on it has ended', run_after = :now, lease_until = NULL, owner = NULL
 WHERE status = 'running' AND lease_until < :expired_before AND owner <> :owner;

-- get_job --
-- One job.
SELECT id, kind, status, phase, done, total, unit, result AS result_json, error, error_status, attempts, created_by,
       created_at, started_at, finished_at
  FROM job
 WHERE id = :id;

-- list_jobs --
-- Jobs, newest first.
SELECT id, kind, status, phase, done, total, unit, result AS result_json, error, error_status, attempts, created_by,
       created_at, started_at, finished_at
  FROM job
 WHERE (CAST(:status AS TEXT) IS NULL OR status = :status)
   AND (CAST(:kind AS TEXT) IS NULL OR kind = :kind)
   AND (CAST(:created_by AS TEXT) IS NULL OR created_by = :created_by)
 ORDER BY id DESC
 LIMIT :limit OFFSET :skip;

-- list_open_jobs --
-- What the jobs of a kind that have not ended are to do.
SELECT parameters AS parameters_json
  FROM job
 WHERE kind = :kind AND status IN ('queued', 'running');

-- remove_old_jobs --
-- What ended long ago, or so many jobs ago that nobody looks for it.
DELETE FROM job
 WHERE status IN ('done', 'failed')
   AND (finished_at < :before OR id <= (SELECT coalesce(max(id), 0) FROM job) - :kept);
