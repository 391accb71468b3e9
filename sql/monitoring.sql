-- Health checks, and corrections after the clock went back.

-- check_writable --
-- Writes a row unchanged: a real write and a real commit.
UPDATE auth_revision SET revision = revision WHERE id = 1;

-- list_applied_migrations --
-- The applied migrations.
SELECT migration_id FROM _yoyo_migration ORDER BY migration_id;

-- count_low_items --
-- The number of items at or below their minimum.
SELECT count(*) FROM low_item;

-- count_failed_jobs --
-- The number of listed jobs that have failed and were not dismissed.
SELECT count(*) FROM job WHERE status = 'failed' AND dismissed_at IS NULL;

-- count_jobs_by_kind --
-- The jobs of each kind that wait, that run, and that have failed and were not dismissed.
SELECT kind, status, count(*) AS count
  FROM job
 WHERE status IN ('queued', 'running', 'failed') AND dismissed_at IS NULL
 GROUP BY kind, status;

-- get_oldest_waiting_job --
-- Since when the job that waits longest is due; NULL when none is.
SELECT min(run_after) AS since FROM job WHERE status = 'queued' AND run_after <= :now;

-- find_future_moment --
-- The latest stored time after :future, which a clock that was ahead has set; null when there is none.
SELECT max(moment) AS moment
  FROM (SELECT created_at AS moment FROM job WHERE created_at > :future
        UNION ALL
        SELECT run_after FROM job WHERE status = 'queued' AND run_after > :far
        UNION ALL
        SELECT updated_at FROM setting WHERE updated_at > :future
        UNION ALL
        SELECT next_attempt_at FROM webhook_queue WHERE next_attempt_at > :far
        UNION ALL
        SELECT next_attempt_at FROM notice_queue WHERE next_attempt_at > :far
        UNION ALL
        SELECT recorded_at FROM stock_event
         WHERE id = (SELECT max(id) FROM stock_event) AND recorded_at > :future) AS ahead;

-- free_future_days --
-- Releases the days of daily jobs that ran while the clock was ahead.
UPDATE job SET once_key = NULL WHERE once_key IS NOT NULL AND created_at > :future;

-- hurry_future_jobs --
-- Makes jobs due that wait for a time set by a clock that was ahead.
UPDATE job SET run_after = :now WHERE status = 'queued' AND run_after > :now AND (created_at > :future OR run_after > :far);

-- end_future_job_leases --
-- Ends leases set by a clock that was ahead as if they were renewed now.
UPDATE job SET lease_until = :lease_until WHERE status = 'running' AND lease_until > :future;

-- date_future_settings --
-- Dates settings that were changed while the clock was ahead to now.
UPDATE setting SET updated_at = :now WHERE updated_at > :future;

-- hurry_future_webhooks --
-- Makes webhooks due that wait for a time set by a clock that was ahead.
UPDATE webhook_queue
   SET next_attempt_at = CASE WHEN next_attempt_at > :far THEN :now ELSE next_attempt_at END,
       lease_until = CASE WHEN lease_until > :future THEN :lease_until ELSE lease_until END,
       failing_since = CASE WHEN failing_since > :future THEN :now ELSE failing_since END
 WHERE next_attempt_at > :far OR lease_until > :future OR failing_since > :future;

-- hurry_future_notices --
-- Makes channels of notices due that wait for a time set by a clock that was ahead.
UPDATE notice_queue
   SET next_attempt_at = CASE WHEN next_attempt_at > :far THEN :now ELSE next_attempt_at END,
       failing_since = CASE WHEN failing_since > :future THEN :now ELSE failing_since END,
       daily_done_at = CASE WHEN daily_done_at > :future THEN :now ELSE daily_done_at END
 WHERE next_attempt_at > :far OR failing_since > :future OR daily_done_at > :future;

-- end_future_notice_lease --
-- Ends the lease of notices, which may have been set by a clock that was ahead, as if it were renewed now.
UPDATE notice_lease SET lease_until = :lease_until WHERE lease_until > :future;
