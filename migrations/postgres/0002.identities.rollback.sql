DROP TRIGGER stock_event_is_never_deleted ON stock_event;
DROP TRIGGER stock_event_is_never_changed ON stock_event;
DROP FUNCTION refuse_ledger_change();
DROP FUNCTION count_orphans(REGCLASS, NAME, REGCLASS, NAME);
DROP FUNCTION json_each(TEXT);

DO $$
DECLARE
    name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY['user_account', 'api_key', 'location', 'item', 'barcode', 'sku', 'stock_event',
                                'scanner', 'alert', 'audit_entry']
    LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN id DROP IDENTITY', name);
        EXECUTE format('ALTER TABLE %I ALTER COLUMN id TYPE INTEGER', name);
    END LOOP;
END
$$;
