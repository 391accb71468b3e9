-- lock_imports --
-- Lets one import of all processes write at a time, until its transaction ends.
SELECT pg_advisory_xact_lock(77862601) AS locked;
