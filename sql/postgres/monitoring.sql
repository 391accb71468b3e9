-- Monitoring on Postgres.

-- get_database_size --
-- The bytes of the database with its indexes.
SELECT pg_database_size(current_database());
