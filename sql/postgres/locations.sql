-- lock_location_tree --
-- Lets one transaction at a time change which locations are in which.
SELECT pg_advisory_xact_lock(77862605) AS locked;
