"""Example values for the OpenAPI document: from a schema's own examples, else by field name."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

# Example values by field name, where the schema has none.
FIELDS: dict[str, Any] = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9…",
    "action": "item.changed",
    "alert_type": "low_stock",
    "api_key": "stk_…",
    "batch_id": "9f1c2d3e4b5a69788796a5b4c3d2e1f0",
    "checks": {"database": "ok", "data_directory": "ok", "schema": "ok"},
    "code": "KZMA",
    "created_at": "2026-01-31T12:00:00Z",
    "current_password": "the current password",
    "delta": 2,
    "details": {"search": "an index of trigrams (FTS5)"},
    "description": "The one in the blue bag",
    "email": "anna@example.org",
    "errors": [{"field": "quantity", "message": "must be at least 0"}],
    "expires_at": None,
    "expires_in": 1800,
    "expiry_date": "2026-12-31",
    "extra_data": {"batch": 12},
    "function": "record",
    "last_used_at": None,
    "level": "warning",
    "location_hint": "Pantry, top shelf",
    "lot": "L2401",
    "message": "Coffee, ground: 3 at Pantry, top shelf",
    "min_quantity": 2,
    "reorder_quantity": 6,
    "module": "stocky.stock.recorder",
    "name": "Coffee, ground",
    "new_password": "a password of at least 8 characters",
    "note": "Counted twice",
    "notes": "Top shelf",
    "password": "a password of at least 8 characters",
    "quantity": 3,
    "quantity_after": 5,
    "reason": None,
    "refresh_token": "kJ3…",
    "request_id": "5b0e7d0c2f5d4c4f9a3f6f1d2b7c8e90",
    "scanner_id": "kitchen-1",
    "serial": "",
    "token_type": "bearer",
    "total_quantity": 3,
    "unit": "piece",
    "upc": "4006381333931",
    "updated_at": "2026-01-31T12:00:00Z",
    "username": "anna",
}
# Of parameters in the path and of those that are required, by name, or by operation and name; of all others, ids, 1.
# Demo data has what they name.
PARAMETERS: dict[str, Any] = {
    "barcode": "2900000000001",
    "batch_id": "9f1c2d3e4b5a69788796a5b4c3d2e1f0",
    "code": "KZMA",
    "get_event_by_event_id.event_id": "0190a3c0-7b1e-7c3a-9d54-2f6b8e1a0c11",
    "name": "Pantry, top shelf",
    "q": "flour",
    "scanner_id": "kitchen",
    "search_locations.q": "shelf",
    "timestamp": "2026-01-31-12-00-00",
    "upc": "2900000000001",
}
# Safe values for flags that can do harm, since people try examples before reading them.
CAREFUL = {"force": False, "dry_run": True}
# By Struct name, where field examples would not fit together.
STRUCTS: dict[str, Any] = {
    "NewItem": {
        "name": "Coffee, ground",
        "description": "The one in the blue bag",
        "upc": "4006381333931",
        "default_storage_type": "pantry",
        "min_quantity": 2,
        "barcodes": [{"barcode": "4006381333948", "pack_quantity": 6}],
    },
    "NewLocation": {"name": "Pantry", "description": "Left of the stove", "storage_type": "pantry"},
    "NewItemField": {"name": "Voltage", "kind": "number", "unit": "V"},
    "ItemFieldChange": {"name": "Package", "position": 1},
    "NewSheet": {"width": 100, "height": 50, "columns": 2, "rows": 1, "label_width": 50, "label_height": 50},
    "LocationReference": {"name": "Pantry, top shelf"},
    "ItemReference": {"upc": "4006381333931"},
    "CreatedBackup": {
        "backup_size": 271507,
        "timestamp": "2026-01-31T12:00:00Z",
        "tables_included": ["barcodes", "items", "locations", "skus", "events"],
        "message": "Full backup created successfully. Size: 271507 bytes (compressed)",
        "backup_id": "2026-01-31-12-00-00",
        "sha256": "3236969fe489feb531f0a513490acaa33c66e01dafc7b78889390876fd748497",
        "rows": {"barcode": 368, "item": 320, "location": 15, "sku": 1131, "stock_event": 4246},
        "expires_at": "2026-02-01T12:00:00Z",
    },
    "ImportResult": {
        "success": True,
        "message": "Full restore completed: 6096 rows in 10 tables."
        " What was there before is in stocky_backup_20260131_120000.sql.gz.",
        "tables_affected": ["barcodes", "items", "locations", "skus", "events"],
        "records_imported": 6096,
        "timestamp": "2026-01-31T12:00:00Z",
        "dry_run": False,
        "records_skipped": 0,
        "warnings": [],
        "safety_backup": "2026-01-31-12-00-00",
        "kept_inactive": [],
        "kept_revoked": ["lost phone (ec2f6117f34b)"],
        "rows": {"item": {"before": 321, "after": 320}},
    },
    "ItemChange": {"name": "Coffee, ground", "description": "The one in the blue bag", "min_quantity": 2},
    "SkuChange": {"quantity": 3, "notes": "Top shelf"},
    "UserChange": {"username": "anna", "email": "anna@example.org"},
    "NewSku": {"item_id": 1, "location_id": 1, "quantity": 3, "expiry_date": "2026-12-31", "notes": "Top shelf"},
    "Adjustment": {"delta": 2, "note": "Counted twice"},
    # The person of the demo data is its last location.
    "NewLoan": {"sku_id": 1, "person_id": 17, "quantity": 1, "due_on": "2026-12-31"},
    "LoanChange": {"due_on": "2026-12-31"},
    "Opening": {"quantity": 1, "note": "For breakfast"},
    "MergeRequest": {"into": 2},
    "NewNoticeChannel": {
        "name": "Mail to Anna",
        "recipients": ["anna@example.org"],
        "at_once": ["backup_failed", "disk_full"],
        "daily": ["low_stock", "expiring"],
        "daily_at": "08:00",
    },
    "NoticeChannelChange": {"name": "Mail to Anna", "quiet_from": "22:00", "quiet_until": "07:00"},
    "NewEntry": {"item_id": 1, "quantity": 1},
    "NewProject": {"name": "Lamp", "notes": "For the hall", "items": [{"item_id": 1, "quantity": 1}]},
    "NewEvent": {
        "type": "add",
        "item": {"upc": "4006381333931"},
        "location": {"name": "Pantry, top shelf"},
        "quantity": 2,
        "occurred_at": "2026-01-31T12:00:00Z",
    },
}
_BY_TYPE: dict[str, Any] = {"integer": 1, "number": 1, "string": "text", "boolean": True, "null": None, "object": {}}
_BY_FORMAT = {"date-time": "2026-01-31T12:00:00Z", "date": "2026-12-31"}


def example_of(schema: Schema, components: dict[str, Schema], name: str = "") -> Any:
    """An example value for the schema of a field called `name`. References resolve in `components`."""
    if schema.get("default"):
        return schema["default"]
    if "$ref" in schema:
        struct = schema["$ref"].rpartition("/")[2]
        if struct in STRUCTS:
            return STRUCTS[struct]
        return example_of(components[struct], components, name)
    if schema.get("examples"):
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return FIELDS[name] if FIELDS.get(name) in schema["enum"] else schema["enum"][0]
    if "properties" in schema:
        return {field: example_of(each, components, field) for field, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_of(schema["items"], components, name)] if "items" in schema else []
    if name in FIELDS and _is_for(FIELDS[name], schema):
        return FIELDS[name]
    for alternatives in ("anyOf", "oneOf"):
        if alternatives in schema:
            return example_of(schema[alternatives][0], components, name)
    if name in CAREFUL:
        return CAREFUL[name]
    kind = schema.get("type", "object")
    return _BY_FORMAT.get(schema.get("format", ""), _BY_TYPE.get(kind if isinstance(kind, str) else kind[0]))


def parameter_example(operation: str, name: str) -> Any:
    """An example of a parameter in the path, or one that is required, of the operation with this id."""
    return PARAMETERS.get(f"{operation}.{name}", PARAMETERS.get(name, 1))


# An event_id works only once, a serial number is in stock once, and a time zone other than the server's is refused.
_OMITTED_FROM_BODIES = frozenset({"event_id", "serial", "timezone"})


def body_example(schema: Schema, components: dict[str, Schema]) -> Any:
    """An example body that can be sent repeatedly, to any server."""
    return _repeatable(example_of(schema, components))


def _repeatable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _repeatable(each) for name, each in value.items() if name not in _OMITTED_FROM_BODIES}
    return [_repeatable(each) for each in value] if isinstance(value, list) else value


def _is_for(value: Any, schema: Schema) -> bool:
    """Whether an example value is of a type that the schema allows."""
    kinds = {alternative.get("type") for alternative in schema.get("anyOf") or schema.get("oneOf") or [schema]}
    if value is None:
        return "null" in kinds
    if isinstance(value, (dict, list)):
        return "object" in kinds or "array" in kinds
    return bool(kinds & {"string"} if isinstance(value, str) else kinds & {"integer", "number"})
