"""Settings in the database: only what differs from how Stocky comes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.logs import audit
from stocky.settings.schemas import Settings, SettingsChange


class _Row(msgspec.Struct):
    name: str
    value: Any
    updated_at: datetime


async def get_settings(read: Connection) -> Settings:
    """All of them. A value that an older or newer Stocky left and this one cannot take is as if it was not there."""
    return _settings(await _rows(read))


async def read_settings(tx: Connection) -> Settings:
    """The same as part of a script."""
    rows: list[_Row] = await tx.all("list_settings", _Row)
    return _settings(rows)


def _settings(rows: list[_Row]) -> Settings:
    settings = Settings()
    for row in rows:
        if row.name in Settings.__struct_fields__:
            changed = msgspec.structs.asdict(settings) | {row.name: row.value}
            try:
                settings = msgspec.convert(changed, Settings)
            except msgspec.ValidationError:
                continue
    return settings


async def changed_at(read: Connection, *names: str) -> datetime:
    """When one of these was changed last."""
    return max((row.updated_at for row in await _rows(read) if row.name in names), default=clock.LONG_AGO)


async def change_settings(tx: Connection, change: SettingsChange, by: Principal) -> Settings:
    """Keeps what differs from now."""
    now = msgspec.to_builtins(await get_settings(tx))
    wanted = msgspec.to_builtins(change)
    changed = {name: value for name, value in wanted.items() if value != now[name]}
    for name, value in changed.items():
        await tx.execute("keep_setting", name=name, value=msgspec.json.encode(value).decode(), updated_at=clock.now())
    if changed:
        await audit.record(tx, by, "changed", "settings", None, changed)
    return await get_settings(tx)


async def _rows(read: Connection) -> list[_Row]:
    return await read.all("list_settings", _Row)
