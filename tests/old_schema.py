"""Databases as an older Stocky left them: at an older schema, with some rows in it."""

from __future__ import annotations

from stocky.config import Config
from stocky.db.migrate import migrate
from tests.architecture import schema
from tests.people import NOBODYS_HASH

# From here on both dialects number rows by themselves.
OLDEST = 2
NOW = "2026-01-31T12:00:00.000000Z"
# What the oldest schema takes: a user, an item with a barcode, a location, and the stock of the one at the other.
_ROWS = [
    "INSERT INTO user_account (username, email, password_hash, role, created_at, updated_at)"
    f" VALUES ('admin', 'admin@example.org', '{NOBODYS_HASH}', 'admin', '{NOW}', '{NOW}')",
    "INSERT INTO item (code, name, default_storage_type, created_at, updated_at)"
    f" VALUES ('RICE', 'Rice', 'pantry', '{NOW}', '{NOW}')",
    "INSERT INTO barcode (code, item_id, is_primary) VALUES ('4006381333931', 1, TRUE)",
    f"INSERT INTO location (name, storage_type, created_at, updated_at) VALUES ('Shelf', 'pantry', '{NOW}', '{NOW}')",
    "INSERT INTO sku (item_id, location_id, quantity_milli, created_at, updated_at)"
    f" VALUES (1, 1, 2500, '{NOW}', '{NOW}')",
    "INSERT INTO stock_event (kind, item_id, location_id, sku_id, delta_milli, quantity_after_milli,"
    f" occurred_at, recorded_at, user_id) VALUES ('add', 1, 1, 1, 2500, 2500, '{NOW}', '{NOW}', 1)",
]


def make_old(config: Config, version: int) -> None:
    """Makes the schema of that number, OLDEST or later, in an empty database, with rows in it."""
    migrate(config, through=OLDEST)
    for row in _ROWS:
        schema.run(config, row)
    migrate(config, through=version)
