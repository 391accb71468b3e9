-- lock_service_alert --
-- Blocks others that raise a service alert of this type until the end of the transaction, in every process.
SELECT pg_advisory_xact_lock(77862606, hashtext(CAST(:alert_type AS TEXT))) AS locked;
