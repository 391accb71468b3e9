-- Where several write at once, a number may be taken before its transaction is seen to write.

-- begin_to_write --
-- This transaction has an id from now on, by which others wait for its end.
SELECT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT);
