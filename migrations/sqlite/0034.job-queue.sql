-- Jobs have a priority and a key of which one job runs at a time; they can be cancelled, and failed ones dismissed.
-- depends: 0033.notices

-- SQLite cannot change the check of a column.
ALTER TABLE job RENAME TO job_before;
CREATE TABLE job (
    id            INTEGER PRIMARY KEY,
    kind          TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 100),
    status        TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    once_key      TEXT,
    parameters    TEXT NOT NULL DEFAULT '{}',
    phase         TEXT NOT NULL DEFAULT '',
    done          BIGINT NOT NULL DEFAULT 0,
    total         BIGINT,
    unit          TEXT NOT NULL DEFAULT '',
    result        TEXT,
    error         TEXT,
    error_status  BIGINT,
    attempts      BIGINT NOT NULL DEFAULT 0,
    max_attempts  BIGINT NOT NULL DEFAULT 1,
    run_after     TIMESTAMPTZ NOT NULL,
    owner         TEXT,
    lease_until   TIMESTAMPTZ,
    created_by    TEXT,
    created_at    TIMESTAMPTZ NOT NULL,
    started_at    TIMESTAMPTZ,
    finished_at   TIMESTAMPTZ,
    -- 0 is claimed first.
    priority      BIGINT NOT NULL DEFAULT 1 CONSTRAINT job__priority CHECK (priority BETWEEN 0 AND 2),
    concurrency_key     TEXT,
    cancel_requested_at TIMESTAMPTZ,
    dismissed_at        TIMESTAMPTZ,
    CONSTRAINT job__no_nul
        CHECK (length(parameters || coalesce(result, '') || coalesce(error, '') || '.')
               = length(parameters) + length(coalesce(result, '')) + length(coalesce(error, '')) + 1)
);
INSERT INTO job (id, kind, status, once_key, parameters, phase, done, total, unit, result, error, error_status, attempts,
                 max_attempts, run_after, owner, lease_until, created_by, created_at, started_at, finished_at)
SELECT id, kind, status, once_key, parameters, phase, done, total, unit, result, error, error_status, attempts,
       max_attempts, run_after, owner, lease_until, created_by, created_at, started_at, finished_at
  FROM job_before;
DROP TABLE job_before;

-- The keys of what waits or runs. Imports could run side by side before, so of these only those that wait get it.
UPDATE job SET concurrency_key = kind
 WHERE status IN ('queued', 'running')
   AND kind IN ('alerts.look', 'alerts.loans', 'documents.collect', 'lookup.missing', 'lookup.stubs');
UPDATE job SET concurrency_key = 'backup' WHERE status IN ('queued', 'running') AND kind = 'backup.scheduled';
UPDATE job SET concurrency_key = 'import' WHERE status = 'queued' AND kind = 'import.csv';

CREATE UNIQUE INDEX job__once_key ON job (once_key) WHERE once_key IS NOT NULL;
CREATE INDEX job_waiting ON job (priority, run_after) WHERE status = 'queued';
CREATE INDEX job_running ON job (lease_until) WHERE status = 'running';
CREATE UNIQUE INDEX job__concurrency_key ON job (concurrency_key)
 WHERE status = 'running' AND concurrency_key IS NOT NULL;
