-- lock_imports --
-- One import at a time writes, of all processes, until the end of its transaction.
SELECT pg_advisory_xact_lock(77862601) AS locked;
