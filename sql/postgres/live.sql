-- Where several write at once, ids are committed in another order than they were reserved in.

-- list_open_writers --
-- The transactions of this database that have written something and not ended yet.
SELECT pid || '/' || CAST(backend_xid AS TEXT) AS writer
  FROM pg_stat_activity
 WHERE backend_xid IS NOT NULL
   AND datid = (SELECT oid FROM pg_database WHERE datname = current_database());
