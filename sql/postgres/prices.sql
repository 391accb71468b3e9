-- find_snapshot --
-- What this transaction sees, as a text that differs after every commit. Two equal ones see the same rows.
SELECT CAST(pg_current_snapshot() AS TEXT) AS snapshot;
