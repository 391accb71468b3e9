-- With several writers, ids are not always committed in the order in which they were reserved.

-- list_open_writers --
-- Open transactions of Stocky that may have reserved ids: each holds a shared advisory lock. Transactions of other
-- programs are not included.
SELECT pid || '/' || virtualtransaction AS writer
  FROM pg_locks
 WHERE locktype = 'advisory' AND classid = 0 AND objid = 77862604 AND objsubid = 1 AND granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- describe_open_writer --
-- A description of the transaction for the log.
SELECT 'process ' || activity.pid || ' (' || coalesce(nullif(activity.application_name, ''), 'without a name') || ', '
       || coalesce(activity.state, 'in an unknown state') || ', transaction since '
       || to_char(activity.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC)' AS description
  FROM pg_stat_activity AS activity
 WHERE activity.pid = CAST(split_part(CAST(:writer AS TEXT), '/', 1) AS INTEGER);
