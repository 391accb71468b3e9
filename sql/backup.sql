-- Queries of backups on the live database.

-- count_rows --
-- The row count of each table that a backup includes.
SELECT 'alert' AS name, count(*) AS rows FROM alert
UNION ALL SELECT 'api_key', count(*) FROM api_key
UNION ALL SELECT 'audit_entry', count(*) FROM audit_entry
UNION ALL SELECT 'auth_revision', count(*) FROM auth_revision
UNION ALL SELECT 'barcode', count(*) FROM barcode
UNION ALL SELECT 'box', count(*) FROM box
UNION ALL SELECT 'document', count(*) FROM document
UNION ALL SELECT 'event_refusal', count(*) FROM event_refusal
UNION ALL SELECT 'item', count(*) FROM item
UNION ALL SELECT 'item_field', count(*) FROM item_field
UNION ALL SELECT 'item_field_value', count(*) FROM item_field_value
UNION ALL SELECT 'item_merge', count(*) FROM item_merge
UNION ALL SELECT 'item_tag', count(*) FROM item_tag
UNION ALL SELECT 'item_type', count(*) FROM item_type
UNION ALL SELECT 'listed_project', count(*) FROM listed_project
UNION ALL SELECT 'loan', count(*) FROM loan
UNION ALL SELECT 'loan_return', count(*) FROM loan_return
UNION ALL SELECT 'location', count(*) FROM location
UNION ALL SELECT 'notice_channel', count(*) FROM notice_channel
UNION ALL SELECT 'price', count(*) FROM price
UNION ALL SELECT 'project', count(*) FROM project
UNION ALL SELECT 'project_entry', count(*) FROM project_entry
UNION ALL SELECT 'project_withdrawal', count(*) FROM project_withdrawal
UNION ALL SELECT 'reorg_move', count(*) FROM reorg_move
UNION ALL SELECT 'reorg_plan', count(*) FROM reorg_plan
UNION ALL SELECT 'scanner', count(*) FROM scanner
UNION ALL SELECT 'setting', count(*) FROM setting
UNION ALL SELECT 'shopping_list', count(*) FROM shopping_list
UNION ALL SELECT 'shopping_list_entry', count(*) FROM shopping_list_entry
UNION ALL SELECT 'shopping_list_log', count(*) FROM shopping_list_log
UNION ALL SELECT 'sku', count(*) FROM sku
UNION ALL SELECT 'stock_event', count(*) FROM stock_event
UNION ALL SELECT 'suggestion', count(*) FROM suggestion
UNION ALL SELECT 'tag', count(*) FROM tag
UNION ALL SELECT 'user_account', count(*) FROM user_account
UNION ALL SELECT 'webhook', count(*) FROM webhook;
