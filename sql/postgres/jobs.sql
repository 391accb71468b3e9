-- Several processes claim jobs at once; the lock makes each see the previous claim.

-- lock_job_claims --
-- Lets one process at a time claim a job, until its transaction ends.
SELECT pg_advisory_xact_lock(77862603) AS locked;
