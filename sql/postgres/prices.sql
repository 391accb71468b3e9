-- find_snapshot --
-- What this transaction sees, as a text that differs after every commit. Two equal ones see the same rows.
-- On a standby the text lacks the transactions in progress, so two equal ones may see different rows.
SELECT CASE WHEN NOT pg_is_in_recovery() THEN CAST(pg_current_snapshot() AS TEXT) END AS snapshot;
