-- Jobs have a priority and a key of which one job runs at a time; they can be cancelled, and failed ones dismissed.
-- depends: 0033.notices

ALTER TABLE job DROP CONSTRAINT job_status_check;
ALTER TABLE job ADD CONSTRAINT job_status_check
      CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled'));
-- 0 is claimed first.
ALTER TABLE job ADD COLUMN priority BIGINT NOT NULL DEFAULT 1
    CONSTRAINT job__priority CHECK (priority BETWEEN 0 AND 2);
ALTER TABLE job ADD COLUMN concurrency_key TEXT;
ALTER TABLE job ADD COLUMN cancel_requested_at TIMESTAMPTZ;
ALTER TABLE job ADD COLUMN dismissed_at TIMESTAMPTZ;

-- The keys of what waits or runs. Imports could run side by side before, so of these only those that wait get it.
UPDATE job SET concurrency_key = kind
 WHERE status IN ('queued', 'running')
   AND kind IN ('alerts.look', 'alerts.loans', 'documents.collect', 'lookup.missing', 'lookup.stubs');
UPDATE job SET concurrency_key = 'backup' WHERE status IN ('queued', 'running') AND kind = 'backup.scheduled';
UPDATE job SET concurrency_key = 'import' WHERE status = 'queued' AND kind = 'import.csv';

DROP INDEX job_waiting;
CREATE INDEX job_waiting ON job (priority, run_after) WHERE status = 'queued';
CREATE UNIQUE INDEX job__concurrency_key ON job (concurrency_key)
 WHERE status = 'running' AND concurrency_key IS NOT NULL;
