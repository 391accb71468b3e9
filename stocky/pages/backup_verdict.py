"""Says in one sentence whether there is a good backup, and if not what to do; also the words of backups and tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from stocky.backup import verdict
from stocky.backup.offsite.state import DestinationState
from stocky.backup.requests import TableChanges
from stocky.backup.store import Kind, Reason, StoredBackup
from stocky.backup.verdict import BackupState
from stocky.jobs.schemas import Job
from stocky.pages.audit_words import FIELD_NAMES
from stocky.pages.filters import number
from stocky.pages.languages import Text, _, plural
from stocky.pages.messages import message

REASONS: dict[Reason, Text] = {
    Reason.API: _("by the API"),
    Reason.MANUAL: _("by hand"),
    Reason.SCHEDULED: _("by schedule"),
    Reason.BEFORE_RESTORE: _("before a restore"),
    Reason.BEFORE_MIGRATION: _("before an upgrade"),
    Reason.COMMAND_LINE: _("on the command line"),
    Reason.FOUND: _("copied here by hand"),
    Reason.UPLOADED: _("uploaded"),
    Reason.FETCHED: _("fetched from off site"),
}
CONTENTS: dict[Kind, Text] = {Kind.ARCHIVE: _("Everything"), Kind.SQL: _("Database")}
TABLES: dict[str, Text] = {
    "alert": _("Alerts"),
    "api_key": _("API keys"),
    "audit_entry": _("Audit entries"),
    "auth_revision": _("Changes of accounts"),
    "barcode": _("Barcodes"),
    "box": _("Boxes"),
    "document": _("Documents"),
    "event_refusal": _("Rejected events"),
    "item": _("Items"),
    "item_field": _("Fields of types"),
    "item_field_value": _("Fields of items"),
    "item_merge": _("Merges of items"),
    "item_tag": _("Tags of items"),
    "item_type": _("Types"),
    "listed_project": _("Projects on shopping lists"),
    "loan": _("Loans"),
    "loan_return": _("Returns of loans"),
    "location": _("Locations"),
    "notice_channel": _("Channels of notices"),
    "price": _("Prices"),
    "project": _("Projects"),
    "project_entry": _("Entries of projects"),
    "project_withdrawal": _("Withdrawals for projects"),
    "reorg_move": _("Moves of plans"),
    "reorg_plan": _("Plans of reorganisation"),
    "scanner": _("Scanners"),
    "setting": _("Settings"),
    "shopping_list": _("Shopping lists"),
    "shopping_list_entry": _("Entries of shopping lists"),
    "shopping_list_log": _("Log of shopping lists"),
    "sku": _("Stock"),
    "stock_event": _("Events of stock"),
    "suggestion": _("Suggestions"),
    "tag": _("Tags"),
    "user_account": _("People"),
    "webhook": _("Webhooks"),
}
# Tables that any work changes, even making the backup.
RECORDS = frozenset({"audit_entry", "auth_revision"})
_CHANGED = re.compile(r"(?P<name>.+) \((?P<columns>[a-z0-9_]+(?:, [a-z0-9_]+)*)\)", re.DOTALL)
# Columns that change with any other, and when a row is only saved again.
_TOUCHED = frozenset({"updated_at", "version"})
# The tables that a comparison lists first; the others follow by name.
_FIRST = ("item", "sku", "stock_event", "location", "box", "shopping_list", "shopping_list_entry", "project")


class _Messages:
    """Messages of the API, in the language of the page when they are printed."""

    def __init__(self, english: Sequence[str]) -> None:
        self._english = english

    def __str__(self) -> str:
        return "; ".join(map(message, self._english))


class Verdict(Struct, frozen=True):
    """`kind` is good, low or bad; `action` is the next step, on `backup` where it has one."""

    kind: Literal["good", "low", "bad"]
    title: Text
    text: Text | _Messages
    action: Literal["download", "verify", "create"]
    backup: StoredBackup | None = None


class OffsiteLine(Struct, frozen=True):
    """One off-site destination in words: `kind` is good, low or bad; `error` is why it cannot be used."""

    url: str
    kind: Literal["good", "low", "bad"]
    text: Text
    newest: datetime | None
    copies: int
    size_bytes: int
    error: str | None


class _Count(int):
    """A number, formatted in the language of the page when it is printed."""

    def __str__(self) -> str:
        return number(int(self))


class ChangedRow:
    """An example of a changed row with its columns, `Coffee (min_quantity_milli)`, in words when it is printed."""

    def __init__(self, example: str) -> None:
        self._example = example

    def __str__(self) -> str:
        text = self._example.replace(" -> ", " \N{RIGHTWARDS ARROW} ")
        found = _CHANGED.fullmatch(text)
        if found is None:
            return text
        fields = [column.removesuffix("_milli") for column in found["columns"].split(", ") if column not in _TOUCHED]
        words = ", ".join(str(FIELD_NAMES.get(each) or each.replace("_", " ")) for each in fields)
        return f"{found['name']} ({words})" if words else found["name"]


class TableChange(Struct, frozen=True):
    """The changes of a restore in one table, with the table's name in words; tables of records have counts only."""

    label: Text
    changes: TableChanges
    changed: list[ChangedRow]


def judge(backups: list[StoredBackup], scheduled: Job | None, now: datetime) -> Verdict:
    """The verdict on the stored backups, newest first, by them and the job of the last scheduled one that has ended."""
    judgement = verdict.judge(backups, scheduled, now)
    backup = judgement.backup
    match judgement.state:
        case BackupState.BROKEN:
            assert backup is not None
            problems = _Messages(backup.problems)
            return Verdict("bad", _("The newest backup does not restore"), problems, "create", backup)
        case BackupState.FAILED:
            return Verdict("bad", _("The last nightly backup failed"), _Messages([judgement.reason]), "create")
        case BackupState.NONE:
            text = _("Back up now. It is test-restored at once, to show that it is good.")
            return Verdict("bad", _("There is no backup yet"), text, "create")
    assert backup is not None  # every other state is about one
    if judgement.state is BackupState.UNVERIFIED:
        title = _("No backup is test-restored yet")
        text = _("Newest backup: %(age)s. A test-restore shows whether it is good.", age=age(backup.created_at, now))
        return Verdict("low", title, text, "verify", backup)
    title = _("Last good backup: %(age)s, test-restored", age=age(backup.created_at, now))
    if judgement.state is BackupState.OLD:
        return Verdict("low", title, _("Create a new one, and test-restore it."), "create", backup)
    count = sum((backup.rows or {}).values())
    text = plural(
        "%(rows)s row came back unchanged.", "All %(rows)s rows came back unchanged.", count, rows=_Count(count)
    )
    return Verdict("good", title, text, "download", backup)


def describe_offsite(states: Mapping[str, DestinationState], now: datetime) -> list[OffsiteLine]:
    """The off-site destinations, the one that is furthest behind first."""
    lines = []
    for url, state in states.items():
        kind: Literal["good", "low", "bad"] = "good"
        text = _("no copy yet") if state.newest is None else age(state.newest, now)
        if state.newest is None or now - state.newest > verdict.FRESH:
            kind = "low"
        if state.error is not None:
            kind = "bad"
        lines.append(OffsiteLine(url, kind, text, state.newest, state.copies, state.size_bytes, state.error))
    return sorted(lines, key=lambda line: (line.kind != "bad", line.newest is not None, line.newest))


def age(moment: datetime, now: datetime) -> Text:
    """How long ago: `just now`, `3 h ago`, `2 days ago`."""
    minutes = int((now - moment).total_seconds() // 60)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return _("%(num)s min ago", num=minutes)
    if minutes < 48 * 60:
        return _("%(num)s h ago", num=minutes // 60)
    return _("%(num)s days ago", num=minutes // (24 * 60))


def in_words(changes: Mapping[str, TableChanges]) -> list[TableChange]:
    """The changed tables, those of `_FIRST` first."""
    order = {name: rank for rank, name in enumerate(_FIRST)}
    names = sorted(changes, key=lambda name: (order.get(name, len(order)), name))
    return [_in_words(name, changes[name]) for name in names]


def _in_words(name: str, changes: TableChanges) -> TableChange:
    if name in RECORDS:
        changes = TableChanges(added=changes.added, removed=changes.removed, changed=changes.changed)
    return TableChange(TABLES.get(name) or Text(name, {}), changes, [*map(ChangedRow, changes.examples_changed)])
