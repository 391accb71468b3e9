-- The ledger is append-only: what it says is corrected by another event, never by changing one.
-- depends: 0001.core

CREATE TRIGGER stock_event_is_never_changed BEFORE UPDATE OF event_id, kind, delta_milli, quantity_after_milli,
    occurred_at, recorded_at, user_id, scanner_id, reverses_id ON stock_event
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;

CREATE TRIGGER stock_event_is_never_deleted BEFORE DELETE ON stock_event
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
