"""Scanner states in the database; an unknown scanner has mode add and no location."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET

from stocky import clock
from stocky.auth.repository import get_user_named
from stocky.auth.schemas import Principal
from stocky.catalogue.location_repository import get_active_location
from stocky.db import Connection, Listing
from stocky.errors import Conflict, NotFound
from stocky.logs import audit
from stocky.quantity import from_milli, to_milli
from stocky.scanner.schemas import Associated, Associations, Mode, ScannerState, StateChange
from stocky.schema import MAX_ID
from stocky.stock.fingerprints import fingerprint, has_fingerprint
from stocky.stock.operations import RejectionKind

AS_NEW = StateChange(mode=Mode.ADD, location_id=None, next_quantity=None)


class ScannerRow(msgspec.Struct, gc=False):
    """A scanner as stored."""

    scanner_id: str
    mode: Mode = Mode.ADD
    location_id: int | None = None
    location_name: str | None = None
    location_path: str | None = None
    associated_user_id: int | None = None
    associated_user: str | None = None
    last_seen: datetime | None = None
    last_scan: str | None = None
    view: str | None = None
    user_id: int | None = None
    next_quantity_milli: int | None = None

    def to_state(self) -> ScannerState:
        return ScannerState(
            scanner_id=self.scanner_id,
            is_associated=self.associated_user_id is not None,
            associated_user=self.associated_user,
            associated_user_id=self.associated_user_id,
            last_seen=self.last_seen,
            mode=self.mode,
            location_id=self.location_id,
            location_name=self.location_name,
            location_path=self.location_path,
            last_scan=self.last_scan,
            view=self.view,
            next_quantity=None if self.next_quantity_milli is None else from_milli(self.next_quantity_milli),
        )


class LookedUp(msgspec.Struct):
    """What is stored of a scan that booked nothing, in the order of the columns."""

    event_id: str
    fingerprint: str
    refusal: RejectionKind
    reason: str


class _Run(msgspec.Struct):
    """What is stored of a command: its message is in place of a reason."""

    fingerprint: str
    reason: str


async def find_scanners(tx: Connection, scanner_ids: list[str]) -> dict[str, ScannerRow]:
    """The states of scanners by their ids; an unknown one has the initial state."""
    rows = await tx.all("find_scanners", ScannerRow, scanner_ids=scanner_ids)
    known = {row.scanner_id: row for row in rows}
    return {id: known.get(id) or ScannerRow(id) for id in scanner_ids}


async def lock_next_quantities(tx: Connection, scanners: list[ScannerRow]) -> None:
    """Reads again what the next scans count, for as long as no other transaction can use or change it.

    Two batches that lock scanners and items in another order may deadlock; the database aborts one of them, and it is
    retried.
    """
    wanted = [scanner.scanner_id for scanner in scanners]
    current = dict(await tx.rows("lock_next_quantities", scanner_ids=wanted))
    for scanner in scanners:
        scanner.next_quantity_milli = current.get(scanner.scanner_id)


async def touch_scanners(tx: Connection, rows: list[tuple[str, int, datetime, str | None]]) -> None:
    """Updates when scanners were last seen; rows of id, user, time and scanned text."""
    await tx.execute_many("touch_scanners", rows)


async def get_state(read: Connection, scanner_id: str) -> ScannerState:
    """The state of one scanner; the initial state for an unknown one."""
    row = await read.one("find_scanners", ScannerRow, scanner_ids=[scanner_id])
    return (row or ScannerRow(scanner_id)).to_state()


async def get_own_state(read: Connection, user: Principal) -> ScannerState:
    """The state of the scanner that a user used last."""
    scanner_id = await read.value("find_scanner_of_user", user_id=user.id)
    return await get_state(read, scanner_id or own_scanner_id(user))


async def list_scanners(
    read: Connection, *, skip: int, limit: int, associated_only: bool = False, listing: Listing | None = None
) -> list[ScannerState]:
    """Every known scanner."""
    rows = await read.page(
        "list_scanners", ScannerRow, listing, skip=skip, limit=limit, associated_only=associated_only
    )
    return [row.to_state() for row in rows]


async def change_state(tx: Connection, scanner_id: str, change: StateChange, by: Principal) -> ScannerState:
    """Sets mode, location and next quantity; 0 is none.

    Raises NotFound for a missing or inactive location.
    """
    state = await get_state(tx, scanner_id)
    mode = state.mode if change.mode is UNSET else change.mode
    location_id = state.location_id if change.location_id is UNSET else change.location_id
    if location_id is not None:
        await get_active_location(tx, location_id)
    await tx.execute("set_scanner_state", scanner_id=scanner_id, mode=mode, location_id=location_id)
    details: dict[str, Any] = {"mode": mode.value, "location_id": location_id}
    if change.next_quantity is not UNSET:
        milli = to_milli(change.next_quantity or 0) or None
        if milli is not None or state.next_quantity is not None:
            await tx.execute("set_next_quantity", scanner_ids=[scanner_id], next_quantity_milli=milli)
            details["next_quantity"] = change.next_quantity
    await audit.record(tx, by, "set", "scanner", scanner_id, details)
    return await get_state(tx, scanner_id)


async def clear_next_quantities(tx: Connection, scanner_ids: list[str]) -> None:
    """Removes the next quantities of scanners, which their scans used."""
    await tx.execute("set_next_quantity", scanner_ids=scanner_ids, next_quantity_milli=None)


async def associate_scanner(tx: Connection, scanner_id: str, user_id: int | None, by: Principal) -> ScannerState:
    """Associates a scanner with a user, or with none. Raises NotFound for an unknown user."""
    if user_id is not None and await tx.value("find_active_user_id", id=user_id) is None:
        raise NotFound(f"There is no active user with id {user_id}")
    await tx.execute("associate_scanner", scanner_id=scanner_id, user_id=user_id)
    await audit.record(tx, by, "associated", "scanner", scanner_id, {"user_id": user_id})
    return await get_state(tx, scanner_id)


async def associate_named(tx: Connection, scanner_id: str, user: int | str | None, by: Principal) -> Associated:
    """Associates a scanner with a user by id or name, or with `by`. Raises NotFound for an unknown user."""
    if isinstance(user, str):
        user = await _find_user(tx, user)
    user_id = by.id if user is None else user
    state = await associate_scanner(tx, scanner_id, user_id, by)
    message = f"Scanner {scanner_id} is associated with {state.associated_user}"
    return Associated(**msgspec.structs.asdict(state), message=message, user_id=user_id)


async def _find_user(tx: Connection, text: str) -> int:
    """The id of the user with this name, or else with this id as text."""
    try:
        return (await get_user_named(tx, text)).id
    except NotFound:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:17]) <= MAX_ID:
            raise
        return int(text[:17])


async def end_association(tx: Connection, scanner_id: str, by: Principal) -> None:
    """Raises NotFound for a scanner that is not associated."""
    if not (await get_state(tx, scanner_id)).is_associated:
        raise NotFound(f"The scanner {scanner_id} is not associated with a user")
    await associate_scanner(tx, scanner_id, None, by)


async def list_associations(read: Connection, *, skip: int, limit: int, listing: Listing | None = None) -> Associations:
    """The scanners that are associated with a user."""
    listing = listing or Listing()
    states = await list_scanners(read, skip=skip, limit=limit, associated_only=True, listing=listing)
    return Associations({state.scanner_id: state for state in states}, listing.total or 0)


async def set_view(tx: Connection, scanner_id: str, view: str | None) -> ScannerState:
    """Sets the view that the pages of the associated user show."""
    await tx.execute("set_scanner_view", scanner_id=scanner_id, view=view)
    return await get_state(tx, scanner_id)


async def touch_scanner(tx: Connection, scanner_id: str, by: Principal) -> ScannerState:
    """Updates when a scanner was last seen."""
    await touch_scanners(tx, [(scanner_id, by.id, clock.now(), None)])
    return await get_state(tx, scanner_id)


async def find_run(tx: Connection, event_id: str, content: object) -> str | None:
    """The message of the command that was run under this event_id; None if there was none.

    Raises Conflict for an event_id that was used with other content.
    """
    rows = await tx.all("find_refusals", _Run, event_ids=[event_id])
    if rows and has_fingerprint(content, rows[0].fingerprint):
        return rows[0].reason
    if rows or await tx.rows("find_event_ids", event_ids=[event_id]):
        raise Conflict(
            f"The event_id {event_id} was already used with other content; use a new one for each event",
            kind="event-id-reused",
        )
    return None


async def note_run(tx: Connection, event_id: str, content: object, message: str) -> None:
    """Stores that a command was run, so that the same event_id runs nothing again."""
    await tx.execute_many("add_refusals", [(event_id, fingerprint(content), "command", message, clock.now())])


async def find_looked_up(tx: Connection, event_ids: list[str]) -> set[str]:
    """Those of scans that booked nothing."""
    rows = await tx.all("find_refusals", LookedUp, event_ids=event_ids)
    return {row.event_id for row in rows if row.refusal == "looked_up"}


async def note_looked_up(tx: Connection, scans: list[LookedUp]) -> None:
    """Stores that scans booked nothing, so that the same event_ids book nothing later. No-op for known ones."""
    moment = clock.now()
    await tx.execute_many(
        "add_refusals",
        [
            (each.event_id, each.fingerprint, each.refusal, each.reason, moment)
            for each in sorted(scans, key=lambda each: each.event_id)
        ],
    )


def own_scanner_id(user: Principal) -> str:
    """The scanner id of a user's scans without one, as from a phone or a browser."""
    return f"user-{user.id}"
