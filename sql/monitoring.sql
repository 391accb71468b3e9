-- Whether the database is well.

-- prove_writable --
-- Writes a row as it is: a real write and a real commit that change nothing.
UPDATE auth_revision SET revision = revision WHERE id = 1;

-- list_applied_migrations --
-- The migrations this database has seen.
SELECT migration_id FROM _yoyo_migration ORDER BY migration_id;
