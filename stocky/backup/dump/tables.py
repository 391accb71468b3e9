"""Which tables a backup holds; what belongs to the running service and not to the data never leaves it."""

from __future__ import annotations

# The index of the search is made anew from the items; what it is behind with is a mark that every new schema has. News
# for webhooks are noted by triggers wherever alerts are put.
DERIVED = frozenset({"search_text", "search_pending", "webhook_news"})

# Sessions, jobs, what is known of the document store and how far webhooks were told belong to this running service: a
# restore keeps the jobs and ends the others. Their tables are in a dump, empty, because a dump is a database that
# Stocky starts on.
EXCLUDED_TABLES = (
    frozenset({"sign_in", "refresh_token", "job", "orphan_content", "webhook_queue", "webhook_delivery"}) | DERIVED
)

# Of those, what a restore carries over: a job goes on through it, and one of them is the restore.
PRESERVED_TABLES = frozenset({"job"})

# What says which migrations were applied. It is in a dump for those who restore with sqlite3 or psql alone; an
# import takes no row of it, since the schema it builds itself keeps its own.
BOOKKEEPING = frozenset({"_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock", "migration_checksum"})

# Who may do what, who is told of it, and what they did: a partial import takes rows of these only when each is named.
PRIVILEGED = (
    frozenset({"user_account", "api_key", "auth_revision", "setting", "audit_entry", "webhook"}) | EXCLUDED_TABLES
)


def is_data(table: str) -> bool:
    """Whether a backup holds rows of this table that count."""
    return table not in BOOKKEEPING and table not in EXCLUDED_TABLES and not table.startswith("sqlite_")


def has_rows_in_dump(table: str) -> bool:
    """Whether the rows of this table are in a dump. The log of migrations names users and hosts."""
    return table not in EXCLUDED_TABLES and table not in ("_yoyo_log", "yoyo_lock")


def is_index_of_search(name: str) -> bool:
    """Whether it is SQLite's index of the search: a virtual table, those that FTS5 keeps it in, and its triggers."""
    return name.startswith("search_index")
