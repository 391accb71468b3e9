"""Describes entries of the audit trail for pages: the action, its object and each field of the entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from stocky.logs.audit import AuditEntry
from stocky.pages.choices import FIELD_KINDS, OVERSELL_POLICIES, SCAN_MODES, STORAGE_TYPES
from stocky.pages.filters import decimal, filesize, measured
from stocky.pages.job_words import KINDS
from stocky.pages.languages import Text, _, plural
from stocky.pages.typed import as_id

ACTIONS: dict[str, Text] = {
    "accepted": _("accepted"),
    "applied": _("applied"),
    "associated": _("associated"),
    "cancel requested": _("asked to stop"),
    "cancelled": _("stopped"),
    "changed": _("changed"),
    "confirmed": _("confirmed"),
    "created": _("created"),
    "deleted": _("deleted"),
    "discarded": _("discarded"),
    "dismissed": _("dismissed"),
    "failed to confirm": _("failed to confirm"),
    "imported": _("imported"),
    "imported again": _("imported again"),
    "fetched": _("fetched"),
    "kept": _("kept"),
    "looked up": _("looked up"),
    "merged": _("merged"),
    "rejected": _("rejected"),
    "removed": _("removed"),
    "restored": _("restored"),
    "retried": _("ran again"),
    "revoked": _("revoked"),
    "rotated": _("renewed the secret of"),
    "set": _("set"),
    "switched off": _("switched off"),
    "unmerged": _("unmerged"),
    "uploaded": _("uploaded"),
    "withdrawn": _("withdrew"),
}
SUBJECTS: dict[str, Text] = {
    "api_key": _("API key"),
    "backup": _("Backup"),
    "backup_passphrase": _("Passphrase of the backups"),
    "box": _("Box"),
    "document": _("Document"),
    "import": _("Import"),
    "item": _("Item"),
    "item_field": _("Field"),
    "item_type": _("Type"),
    "job": _("Job"),
    "label_sheet": _("Label size"),
    "loan": _("Loan"),
    "location": _("Location"),
    "notice_channel": _("Channel of notices"),
    "price": _("Price"),
    "prefix": _("Begins with"),
    "project": _("Project"),
    "reorg_plan": _("Plan"),
    "scanner": _("Scanner"),
    "settings": _("Settings"),
    "sku": _("Stock"),
    "suggestion": _("Suggestion"),
    "tag": _("Tag"),
    "user": _("Person"),
    "webhook": _("Webhook"),
}
_PAGES = {
    "box": "/locations/boxes/",
    "item": "/items/",
    "item_type": "/vocabulary/types/",
    "job": "/jobs/",
    "loan": "/lent/",
    "location": "/locations/",
    "notice_channel": "/notices/",
    "project": "/projects/",
    "reorg_plan": "/plan/",
    "scanner": "/scanners/",
    "user": "/people/",
    "webhook": "/hooks/",
}
FIELD_NAMES: dict[str, Text] = {
    "added": _("Added"),
    "after": _("after"),
    "at_once": _("at once"),
    "backup_base_days": _("Days between whole backups"),
    "backup_incremental": _("Only what is new"),
    "backup_keep": _("Backups to keep"),
    "backup_schedule_enabled": _("Back up every night"),
    "backup_schedule_kind": _("Content"),
    "backup_schedule_time": _("Time"),
    "barcode": _("Barcode"),
    "barcodes": _("Barcodes"),
    "batch_id": _("Batch"),
    "before": _("before"),
    "by": _("By"),
    "capacity": _("Capacity"),
    "changed": _("Changed"),
    "choices": _("Choices"),
    "code": _("Code"),
    "columns": _("Labels across"),
    "currency": _("Currency"),
    "daily": _("once a day"),
    "daily_at": _("Time of the daily message"),
    "default_storage_type": _("Kept in"),
    "description": _("Description"),
    "document_id": _("Document"),
    "due_on": _("Due on"),
    "email": _("E-mail"),
    "emptied_days": _("Empty for"),
    "event_types": _("Events"),
    "expires_at": _("Expires"),
    "expiring_soon_days": _("Expires soon"),
    "expiry_date": _("Expires"),
    "fields": _("Fields"),
    "filename": _("File"),
    "found": _("Found"),
    "from": _("From"),
    "gap_x": _("Gap across"),
    "gap_y": _("Gap down"),
    "height": _("Paper, height"),
    "hidden_fields": _("Fields of the old type"),
    "host": _("Address"),
    "image_document_id": _("Photo"),
    "into": _("Into"),
    "is_active": _("Active"),
    "is_new": _("New"),
    "item_id": _("Item"),
    "items": _("Items"),
    "items_changed": _("Items changed"),
    "items_created": _("Items added"),
    "kind": _("Kind"),
    "label_height": _("Label, height"),
    "label_width": _("Label, width"),
    "language": _("Language"),
    "left": _("Left edge"),
    "location_id": _("Location"),
    "locations_created": _("Locations added"),
    "lot": _("Lot"),
    "manufacturer_code": _("Manufacturer's code"),
    "max_moves": _("Moves at most"),
    "measure_rules": _("Rules"),
    "min_quantity": _("Minimum"),
    "mode": _("Mode"),
    "name": _("Name"),
    "needs_review": _("Not named yet"),
    "next_quantity": _("Amount of the next scan"),
    "note": _("Note"),
    "notes": _("Note"),
    "opened_days": _("Keeps once opened"),
    "opened_on": _("Opened on"),
    "oversell_policy": _("If more is taken than is in stock"),
    "pack_quantity": _("A scan counts"),
    "paid_at": _("Paid on"),
    "parent_id": _("In"),
    "password": _("Password"),
    "position": _("Position"),
    "project": _("Project"),
    "project_id": _("Project"),
    "quantity": _("Amount"),
    "quiet_from": _("Quiet from"),
    "quiet_until": _("Quiet until"),
    "reason": _("Reason"),
    "recipients": _("E-mail addresses"),
    "removed": _("Removed"),
    "reorder_quantity": _("Bought in multiples of"),
    "role": _("Role"),
    "row": _("Row"),
    "rows": _("Rows"),
    "safety_backup": _("Backup made before"),
    "seller": _("Seller"),
    "seller_link": _("Link to the seller"),
    "serial": _("Serial number"),
    "service": _("Service"),
    "shelf_life_days": _("Keeps"),
    "size_bytes": _("Size"),
    "skip_missed": _("Messages that were missed are dropped"),
    "stock_events": _("Changes of stock"),
    "storage_type": _("Kept in"),
    "tables": _("Tables"),
    "tags": _("Tags"),
    "text": _("Text"),
    "timezone": _("Time zone"),
    "top": _("Top edge"),
    "type": _("Type"),
    "type_id": _("Type"),
    "unit": _("Unit"),
    "unit_price": _("Price"),
    "upc": _("Barcode"),
    "url": _("Address"),
    "user_id": _("Person"),
    "username": _("Username"),
    "value": _("Value"),
    "values": _("Values"),
    "was": _("before"),
    "width": _("Paper, width"),
}
# The kind of object that a field has the id of.
_KINDS = {
    "from": "item",
    "into": "item",
    "item_id": "item",
    "location_id": "location",
    "parent_id": "location",
    "project_id": "project",
    "type_id": "item_type",
    "user_id": "user",
}
# The ids of forms and the hashes of files tell nothing to people.
_NOT_SHOWN = ("event_id", "fingerprint", "sha256")
_DOCUMENTS = ("document_id", "image_document_id")
_MILLIMETRES = ("width", "height", "label_width", "label_height", "left", "top", "gap_x", "gap_y")
_DAYS = ("backup_base_days", "emptied_days", "expiring_soon_days", "opened_days", "shelf_life_days")
_STORAGE: dict[str, Text] = dict(STORAGE_TYPES)
_VALUES: dict[str, dict[str, Text]] = {
    "default_storage_type": _STORAGE,
    # Of jobs and of fields.
    "kind": KINDS | FIELD_KINDS,
    "mode": SCAN_MODES,
    "oversell_policy": {policy: word for policy, word, _hint in OVERSELL_POLICIES},
    "role": {"admin": _("Admin"), "member": _("Member"), "read_only": _("Read only"), "scanner": _("Scanner")},
    "storage_type": _STORAGE,
}
_NAMES = ("name", "username")
_YES, _NO, _NONE = _("yes"), _("no"), "–"

# The names of the objects that still exist, by kind and id.
Names = Mapping[str, Mapping[int, str]]


class Part(Struct, frozen=True):
    """A piece of a value, to be shown as it is, and the path of the page that it leads to."""

    text: Text | str
    path: str = ""


class Detail(Struct, frozen=True):
    """A field and the pieces of its value."""

    label: Text | str
    parts: list[Part]


class Record(Struct, frozen=True):
    """An entry to show: the name of its object, the path of the object's page if it has one, and the other details."""

    entry: AuditEntry
    name: str
    path: str
    details: list[Detail]


def mentioned(entries: Sequence[AuditEntry]) -> dict[str, set[int]]:
    """The ids of the objects that these entries are about or have in their details, by kind."""
    found: dict[str, set[int]] = defaultdict(set)
    for each in entries:
        if (id := as_id(each.subject_id or "")) is not None:
            found[each.subject].add(id)
        for field, value in _fields(each.details):
            if field in _KINDS and _is_id(value):
                found[_KINDS[field]].add(value)
    return found


def describe(entry: AuditEntry, names: Names) -> Record:
    """An entry in the language of the page that is being rendered; ids without a name are shown."""
    details = {field: value for field, value in entry.details.items() if field not in _NOT_SHOWN}
    if entry.subject == "import":
        # The rows that wait for a later import; a label sheet's is its edge.
        details.pop("left", None)
        if not details.get("stock_events"):
            details.pop("batch_id", None)
    name = next((str(details.pop(field)) for field in _NAMES if details.get(field)), "")
    subject_id = entry.subject_id or ""
    known = names.get(entry.subject)
    is_there = known is None or as_id(subject_id) in known
    if not name:
        name = (known or {}).get(as_id(subject_id) or 0, subject_id)
    page = _PAGES.get(entry.subject)
    path = page + quote(subject_id, safe="") if page and subject_id and is_there else ""
    shown = _with_unit(details).items()
    return Record(
        entry, name, path, [Detail(_label(field), list(_parts(field, value, names))) for field, value in shown]
    )


def _fields(details: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for field, value in details.items():
        yield field, value
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield from _fields(each)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _label(field: str) -> Text | str:
    return FIELD_NAMES.get(field) or field.replace("_", " ")


def _with_unit(details: Mapping[str, Any]) -> dict[str, Any]:
    """The details with an amount and its unit as one."""
    amount, unit = details.get("quantity"), details.get("unit")
    if not isinstance(amount, int | float) or not isinstance(unit, str):
        return dict(details)
    return {
        field: measured(amount, unit) if field == "quantity" else value
        for field, value in details.items()
        if field != "unit"
    }


def _parts(field: str, value: Any, names: Names) -> Iterator[Part]:
    kind = _KINDS.get(field)
    if isinstance(value, dict) and value:
        for number, (inner, each) in enumerate(_with_unit(value).items()):
            yield Part(", " if number else "")
            yield Part(_label(inner))
            yield Part(" ")
            yield from _parts(inner, each, names)
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield Part(", " if number else "")
            yield from _parts(field, each, names)
    elif kind is not None and _is_id(value) and (name := names.get(kind, {}).get(value)):
        yield Part(name, f"{_PAGES[kind]}{value}" if kind in _PAGES else "")
    elif field == "batch_id" and isinstance(value, str):
        yield Part(_("All bookings"), f"/activity/batches/{quote(value, safe='')}")
    else:
        yield Part(_value(field, value))


def _value(field: str, value: Any) -> Text | str:
    if value is None or value in ("", [], {}):
        return _NONE
    if isinstance(value, bool):
        return _YES if value else _NO
    if isinstance(value, str):
        return _VALUES.get(field, {}).get(value, value)
    if field in _DOCUMENTS:
        return _YES
    if field == "size_bytes":
        return filesize(value)
    if field in _DAYS:
        return plural("%(num)s day", "%(num)s days", value)
    amount = decimal(f"{Decimal(str(value)).normalize():f}")
    return f"{amount} mm" if field in _MILLIMETRES else amount
