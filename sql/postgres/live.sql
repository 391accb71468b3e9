-- Where several write at once, ids are committed in another order than they were reserved in.

-- list_open_writers --
-- The transactions of Stocky's that may have reserved ids and have not ended: each holds a shared advisory lock. What
-- other programs have open in this database is not among them.
SELECT pid || '/' || virtualtransaction AS writer
  FROM pg_locks
 WHERE locktype = 'advisory' AND classid = 0 AND objid = 77862604 AND objsubid = 1 AND granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- describe_open_writer --
-- Who has this transaction open, in words for the log.
SELECT 'process ' || activity.pid || ' (' || coalesce(nullif(activity.application_name, ''), 'without a name') || ', '
       || coalesce(activity.state, 'in an unknown state') || ', transaction since '
       || to_char(activity.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC)' AS description
  FROM pg_stat_activity AS activity
 WHERE activity.pid = CAST(split_part(CAST(:writer AS TEXT), '/', 1) AS INTEGER);
