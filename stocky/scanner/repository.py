"""Scanner states in the database; an unknown scanner has mode add and no location."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.catalogue.location_repository import get_location
from stocky.db import Connection
from stocky.errors import NotFound
from stocky.logs import audit
from stocky.scanner.schemas import Mode, ScannerState, StateChange

AS_NEW = StateChange(mode=Mode.ADD, location_id=None)


class ScannerRow(msgspec.Struct, gc=False):
    """A scanner as stored."""

    scanner_id: str
    mode: Mode = Mode.ADD
    location_id: int | None = None
    location_name: str | None = None
    associated_user_id: int | None = None
    associated_user: str | None = None
    last_seen: datetime | None = None
    last_scan: str | None = None
    view: str | None = None
    user_id: int | None = None

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
            last_scan=self.last_scan,
            view=self.view,
        )


async def find_scanners(tx: Connection, scanner_ids: list[str]) -> dict[str, ScannerRow]:
    """The states of scanners by their ids; an unknown one has the initial state."""
    rows = await tx.all("find_scanners", ScannerRow, scanner_ids=scanner_ids)
    known = {row.scanner_id: row for row in rows}
    return {id: known.get(id) or ScannerRow(id) for id in scanner_ids}


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
    read: Connection, *, skip: int, limit: int, associated_only: bool = False
) -> list[ScannerState]:
    """Every known scanner."""
    rows = await read.all("list_scanners", ScannerRow, skip=skip, limit=limit, associated_only=associated_only)
    return [row.to_state() for row in rows]


async def change_state(tx: Connection, scanner_id: str, change: StateChange, by: Principal) -> ScannerState:
    """Sets mode and location. Raises NotFound for a missing or inactive location."""
    state = await get_state(tx, scanner_id)
    mode = state.mode if change.mode is UNSET else change.mode
    location_id = state.location_id if change.location_id is UNSET else change.location_id
    if location_id is not None and not (await get_location(tx, location_id)).is_active:
        raise NotFound(f"The location {location_id} is no longer in use")
    await tx.execute("set_scanner_state", scanner_id=scanner_id, mode=mode, location_id=location_id)
    await audit.record(tx, by, "set", "scanner", scanner_id, {"mode": mode.value, "location_id": location_id})
    return await get_state(tx, scanner_id)


async def associate_scanner(tx: Connection, scanner_id: str, user_id: int | None, by: Principal) -> ScannerState:
    """Associates a scanner with a user, or with none. Raises NotFound for an unknown user."""
    if user_id is not None and await tx.value("find_active_user_id", id=user_id) is None:
        raise NotFound(f"There is no active user with id {user_id}")
    await tx.execute("associate_scanner", scanner_id=scanner_id, user_id=user_id)
    await audit.record(tx, by, "associated", "scanner", scanner_id, {"user_id": user_id})
    return await get_state(tx, scanner_id)


async def set_view(tx: Connection, scanner_id: str, view: str | None) -> ScannerState:
    """Sets the view that the pages of the associated user show."""
    await tx.execute("set_scanner_view", scanner_id=scanner_id, view=view)
    return await get_state(tx, scanner_id)


async def touch_scanner(tx: Connection, scanner_id: str, by: Principal) -> ScannerState:
    """Updates when a scanner was last seen."""
    await touch_scanners(tx, [(scanner_id, by.id, clock.now(), None)])
    return await get_state(tx, scanner_id)


def own_scanner_id(user: Principal) -> str:
    """The scanner id of a user's scans without one, as from a phone or a browser."""
    return f"user-{user.id}"
