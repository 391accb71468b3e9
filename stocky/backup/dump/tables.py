"""Defines which tables a backup holds. State of the running service is never part of a backup."""

from __future__ import annotations

# The search index is rebuilt from the items; every new schema has the marker that requests it. Triggers fill
# webhook_news when alerts are inserted.
DERIVED = frozenset({"search_text", "search_pending", "webhook_news"})

# Sessions, jobs, document store state, webhook positions, what was sent of notices and what was asked of a model belong
# to the service that runs: a restore preserves the jobs and the last of these, and discards the others. A dump has
# these tables, empty, because Stocky must be able to start on a loaded dump.
EXCLUDED_TABLES = (
    frozenset({"sign_in", "refresh_token", "job", "orphan_content", "webhook_queue", "webhook_delivery"})
    | frozenset({"notice", "notice_sent", "notice_queue", "notice_lease", "assistance_usage"})
    | DERIVED
)

# Of those, the tables that a restore preserves: jobs continue, and one of them is the restore itself; and the limits of
# the day hold for the model.
PRESERVED_TABLES = frozenset({"job", "assistance_usage"})

# The records of applied migrations. A dump holds them for restores with only sqlite3 or psql; an import ignores their
# rows, since the schema it builds has its own.
BOOKKEEPING = frozenset({"_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock", "migration_checksum"})

# Accounts, webhooks, channels of notices, settings and audit: a partial import accepts rows of these only for tables
# named explicitly.
PRIVILEGED = (
    frozenset({"user_account", "api_key", "auth_revision", "setting", "audit_entry", "webhook", "notice_channel"})
    | EXCLUDED_TABLES
)


# What the API calls the tables of which it speaks; the others go by their own names.
_API_NAMES = {
    "alert": "alerts",
    "api_key": "api_keys",
    "audit_entry": "audit",
    "barcode": "barcodes",
    "box": "boxes",
    "document": "documents",
    "event_refusal": "event_refusals",
    "item": "items",
    "item_field": "type_fields",
    "item_field_value": "item_fields",
    "item_merge": "item_merges",
    "item_tag": "item_tags",
    "item_type": "types",
    "listed_project": "shopping_list_projects",
    "loan": "loans",
    "loan_return": "loan_returns",
    "location": "locations",
    "notice_channel": "notice_channels",
    "price": "prices",
    "project": "projects",
    "project_entry": "project_items",
    "project_withdrawal": "project_withdrawals",
    "reorg_move": "reorg_moves",
    "reorg_plan": "reorg_plans",
    "scanner": "scanners",
    "setting": "settings",
    "shopping_list": "shopping_lists",
    "shopping_list_entry": "shopping_list_items",
    "shopping_list_log": "shopping_list_logs",
    "sku": "skus",
    "stock_event": "events",
    "suggestion": "suggestions",
    "tag": "tags",
    "user_account": "users",
    "webhook": "webhooks",
}
_TABLES = {name: table for table, name in _API_NAMES.items()}


def api_name(table: str) -> str:
    """What the API calls a table."""
    return _API_NAMES.get(table, table)


def table_named(name: str) -> str:
    """The table that the API calls so, or that has this name."""
    return _TABLES.get(name, name)


def is_data(table: str) -> bool:
    """Whether a backup holds this table's rows as data."""
    return table not in BOOKKEEPING and table not in EXCLUDED_TABLES and not table.startswith("sqlite_")


def has_rows_in_dump(table: str) -> bool:
    """Whether the rows of this table are in a dump. The log of migrations names users and hosts."""
    return table not in EXCLUDED_TABLES and table not in ("_yoyo_log", "yoyo_lock")


def is_index_of_search(name: str) -> bool:
    """Whether the object belongs to SQLite's search index: the virtual table, its FTS5 tables, or its triggers."""
    return name.startswith("search_index")
