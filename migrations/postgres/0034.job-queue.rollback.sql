UPDATE job SET status = 'failed', error = coalesce(error, 'cancelled'), error_status = coalesce(error_status, 409)
 WHERE status = 'cancelled';
DROP INDEX job__concurrency_key;
DROP INDEX job_waiting;
CREATE INDEX job_waiting ON job (run_after) WHERE status = 'queued';
ALTER TABLE job DROP COLUMN dismissed_at;
ALTER TABLE job DROP COLUMN cancel_requested_at;
ALTER TABLE job DROP COLUMN concurrency_key;
ALTER TABLE job DROP COLUMN priority;
ALTER TABLE job DROP CONSTRAINT job_status_check;
ALTER TABLE job ADD CONSTRAINT job_status_check CHECK (status IN ('queued', 'running', 'done', 'failed'));
