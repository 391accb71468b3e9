-- Where several processes claim at once, each sees what the one before it has claimed.

-- lock_job_claims --
-- One process at a time claims a job, until the end of its transaction.
SELECT pg_advisory_xact_lock(77862603) AS locked;
