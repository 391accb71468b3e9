"""The sheets of labels that an installation keeps: each is a row of its own among the settings."""

from __future__ import annotations

from typing import Any

import msgspec

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.errors import Conflict, Invalid, NotFound
from stocky.labels.layout import SHEETS, Sheet
from stocky.labels.schemas import NamedSheet, NewSheet, presets
from stocky.logs import audit

# What the name of the setting begins with.
_PREFIX = "label sheet "
MOST_SHEETS = 100
# The name of the sheet in addresses whose lengths are in the address itself.
OWN = "own"


class _Row(msgspec.Struct):
    name: str
    value: Any


async def list_own_sheets(read: Connection) -> list[NamedSheet]:
    """The kept sheets by name; those that another version stored in another way are left out."""
    rows: list[_Row] = await read.all("list_settings_named", _Row, start=_PREFIX)
    found = []
    for row in rows:
        try:
            sheet = msgspec.convert(row.value, NewSheet)
        except msgspec.ValidationError:
            continue
        found.append(NamedSheet(name=row.name.removeprefix(_PREFIX), is_preset=False, **msgspec.structs.asdict(sheet)))
    return found


async def list_sheets(read: Connection) -> list[NamedSheet]:
    """The presets, then the kept sheets."""
    return [*presets(), *await list_own_sheets(read)]


async def find_sheet(read: Connection, name: str) -> Sheet | None:
    """The preset or the kept sheet of this name."""
    if name in SHEETS:
        return SHEETS[name]
    return next((each.to_sheet() for each in await list_own_sheets(read) if each.name == name), None)


async def keep_sheet(tx: Connection, name: str, new: NewSheet, by: Principal) -> NamedSheet:
    """Keeps a sheet, in place of one with this name. Raises Conflict for a preset's name, Invalid."""
    if name in SHEETS or name == OWN:
        raise Conflict(f"{name} is a sheet of Stocky; choose another name", field="name")
    new.to_sheet().check()
    known = {each.name for each in await list_own_sheets(tx)}
    if name not in known and len(known) >= MOST_SHEETS:
        raise Invalid(f"There are {MOST_SHEETS} sheets; delete one first", field="name")
    value = msgspec.json.encode(new).decode()
    await tx.execute("store_setting", name=f"{_PREFIX}{name}", value=value, updated_at=clock.now())
    await audit.record(tx, by, "changed" if name in known else "created", "label_sheet", name, msgspec.to_builtins(new))
    return NamedSheet(name=name, is_preset=False, **msgspec.structs.asdict(new))


async def remove_sheet(tx: Connection, name: str, by: Principal) -> None:
    """Raises NotFound, Conflict for a preset."""
    if name in SHEETS:
        raise Conflict(f"{name} is a sheet of Stocky and cannot be deleted", field="name")
    if not await tx.execute("remove_setting", name=f"{_PREFIX}{name}"):
        raise NotFound(f"There is no sheet {name}")
    await audit.record(tx, by, "deleted", "label_sheet", name, {})
