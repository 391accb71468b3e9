"""Describes entries of the audit trail for pages: the action, its object and each field of the entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from stocky.logs.audit import AuditEntry
from stocky.pages.filters import decimal
from stocky.pages.languages import Text, _
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
    "barcode": _("Barcode"),
    "barcodes": _("Barcodes"),
    "batch_id": _("Batch"),
    "capacity": _("Capacity"),
    "choices": _("Choices"),
    "code": _("Code"),
    "default_storage_type": _("Kept in"),
    "description": _("Description"),
    "due_on": _("Due on"),
    "email": _("E-mail"),
    "event_types": _("Events"),
    "expiry_date": _("Expires"),
    "fields": _("Fields"),
    "filename": _("File"),
    "from": _("From"),
    "hidden_fields": _("Fields of the old type"),
    "image_document_id": _("Photo"),
    "into": _("Into"),
    "is_active": _("Active"),
    "items": _("Items"),
    "kind": _("Kind"),
    "location_id": _("Location"),
    "lot": _("Lot"),
    "manufacturer_code": _("Manufacturer's code"),
    "max_moves": _("Moves at most"),
    "min_quantity": _("Minimum"),
    "mode": _("Mode"),
    "name": _("Name"),
    "needs_review": _("Not named yet"),
    "note": _("Note"),
    "notes": _("Note"),
    "opened_days": _("Keeps once opened"),
    "opened_on": _("Opened on"),
    "oversell_policy": _("If more is taken than is in stock"),
    "parent_id": _("In"),
    "position": _("Position"),
    "quantity": _("Amount"),
    "reason": _("Reason"),
    "reorder_quantity": _("Bought in multiples of"),
    "role": _("Role"),
    "row": _("Row"),
    "rows": _("Rows"),
    "seller": _("Seller"),
    "seller_link": _("Link to the seller"),
    "serial": _("Serial number"),
    "shelf_life_days": _("Keeps"),
    "storage_type": _("Kept in"),
    "tags": _("Tags"),
    "type": _("Type"),
    "type_id": _("Type"),
    "unit": _("Unit"),
    "unit_price": _("Price"),
    "paid_at": _("Paid on"),
    "currency": _("Currency"),
    "upc": _("Barcode"),
    "user_id": _("Person"),
    "username": _("Username"),
    "values": _("Values"),
    "was": _("before"),
    "before": _("before"),
    "after": _("after"),
}
_NAMES = ("name", "username")
_YES, _NO, _NONE = _("yes"), _("no"), "–"


class Detail(Struct, frozen=True):
    """A field and its value, both to be shown as they are."""

    label: Text | str
    value: Text | str


class Record(Struct, frozen=True):
    """An entry to show: the name of its object, the path of the object's page if it has one, and the other details."""

    entry: AuditEntry
    name: str
    path: str
    details: list[Detail]


def ids_of(entries: Sequence[AuditEntry], field: str) -> set[int]:
    """The ids that a field has in these entries."""
    return {value for each in entries if isinstance(value := each.details.get(field), int)}


def subject_ids(entries: Sequence[AuditEntry], subject: str) -> set[int]:
    """The ids of the objects of a kind that these entries are about."""
    return {id for each in entries if each.subject == subject and (id := as_id(each.subject_id or "")) is not None}


def describe(
    entry: AuditEntry, names: Mapping[str, Mapping[int, str]], subjects: Mapping[str, Mapping[int, str]]
) -> Record:
    """An entry in the language of the page that is being rendered; ids without a name are shown.

    `names` are by field and id, and `subjects`, today's names of what entries are about, by kind and id.
    """
    # The id of a form tells nothing to people.
    details = {field: value for field, value in entry.details.items() if field != "event_id"}
    name = next((str(details.pop(field)) for field in _NAMES if details.get(field)), "")
    if not name:
        subject_id = entry.subject_id or ""
        name = subjects.get(entry.subject, {}).get(as_id(subject_id) or 0, subject_id)
    page = _PAGES.get(entry.subject)
    path = page + quote(entry.subject_id, safe="") if page and entry.subject_id else ""
    shown = {
        field: names[field].get(value) if field in names and isinstance(value, int) else None
        for field, value in details.items()
    }
    return Record(
        entry, name, path, [Detail(_label(field), shown[field] or _value(value)) for field, value in details.items()]
    )


def _label(field: str) -> Text | str:
    return FIELD_NAMES.get(field) or field.replace("_", " ")


def _value(value: Any) -> Text | str:
    if value is None or value in ("", []):
        return _NONE
    if isinstance(value, bool):
        return _YES if value else _NO
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return decimal(f"{Decimal(str(value)).normalize():f}")
    if isinstance(value, list):
        return ", ".join(str(_value(each)) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{_label(field)} {_value(each)}" for field, each in value.items())
    return msgspec.json.encode(value).decode()
