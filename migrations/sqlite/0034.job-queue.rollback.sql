ALTER TABLE job RENAME TO job_before;
CREATE TABLE job (
    id            INTEGER PRIMARY KEY,
    kind          TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 100),
    status        TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed')),
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
    CONSTRAINT job__no_nul
        CHECK (length(parameters || coalesce(result, '') || coalesce(error, '') || '.')
               = length(parameters) + length(coalesce(result, '')) + length(coalesce(error, '')) + 1)
);
INSERT INTO job (id, kind, status, once_key, parameters, phase, done, total, unit, result, error, error_status, attempts,
                 max_attempts, run_after, owner, lease_until, created_by, created_at, started_at, finished_at)
SELECT id, kind, CASE status WHEN 'cancelled' THEN 'failed' ELSE status END,
       once_key, parameters, phase, done, total, unit, result,
       CASE status WHEN 'cancelled' THEN coalesce(error, 'cancelled') ELSE error END,
       CASE status WHEN 'cancelled' THEN coalesce(error_status, 409) ELSE error_status END,
       attempts, max_attempts, run_after, owner, lease_until, created_by, created_at, started_at, finished_at
  FROM job_before;
DROP TABLE job_before;
CREATE UNIQUE INDEX job__once_key ON job (once_key) WHERE once_key IS NOT NULL;
CREATE INDEX job_waiting ON job (run_after) WHERE status = 'queued';
CREATE INDEX job_running ON job (lease_until) WHERE status = 'running';
