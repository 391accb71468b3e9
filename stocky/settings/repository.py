"""Settings in the database, which holds only changed settings; the others have their defaults."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.barcodes.measures import MeasureRule
from stocky.db import Connection
from stocky.logs import audit
from stocky.settings.schemas import Settings, SettingsChange

_MEASURE_RULES = "measure_rules"
_CURRENCY = "currency"


class _Row(msgspec.Struct):
    name: str
    value: Any
    updated_at: datetime


async def get_settings(read: Connection) -> Settings:
    """All settings. A stored value of another version that this one does not accept is ignored."""
    settings = Settings()
    for row in await _rows(read):
        if row.name in Settings.__struct_fields__:
            changed = msgspec.structs.asdict(settings) | {row.name: row.value}
            try:
                settings = msgspec.convert(changed, Settings)
            except msgspec.ValidationError:
                continue
    return settings


async def get_measure_rules(read: Connection) -> tuple[MeasureRule, ...]:
    """The rules for variable-measure barcodes; none if this version does not accept what is stored."""
    row = await read.one("find_setting", _Row, name=_MEASURE_RULES)
    if row is None:
        return ()
    try:
        return msgspec.convert({_MEASURE_RULES: row.value}, Settings).measure_rules
    except msgspec.ValidationError:
        return ()


async def get_currency(read: Connection) -> str:
    """The currency of all prices."""
    row = await read.one("find_setting", _Row, name=_CURRENCY)
    try:
        return msgspec.convert({} if row is None else {_CURRENCY: row.value}, Settings).currency
    except msgspec.ValidationError:
        return Settings().currency


async def changed_at(read: Connection, *names: str) -> datetime:
    """When one of these settings was last changed."""
    return max((row.updated_at for row in await _rows(read) if row.name in names), default=clock.LONG_AGO)


async def change_settings(tx: Connection, change: SettingsChange, by: Principal) -> Settings:
    """Stores the settings in `change` that differ from the current ones."""
    now = msgspec.to_builtins(await get_settings(tx))
    wanted = msgspec.to_builtins(change)
    changed = {name: value for name, value in wanted.items() if value != now[name]}
    for name, value in changed.items():
        await tx.execute("store_setting", name=name, value=msgspec.json.encode(value).decode(), updated_at=clock.now())
    if changed:
        await audit.record(tx, by, "changed", "settings", None, changed)
    return await get_settings(tx)


async def _rows(read: Connection) -> list[_Row]:
    return await read.all("list_settings", _Row)
