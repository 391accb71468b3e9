"""`/settings`: settings that admins change at run time."""

from __future__ import annotations

import msgspec
from litestar import get, patch, post
from litestar.datastructures import State
from msgspec import UNSET

from stocky.alerts.evaluate import queue_check
from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.barcodes.measure_presets import PRESETS, MeasurePreset
from stocky.catalogue import item_numbers
from stocky.catalogue.item_numbers import AddedItemNumbers, BarcodesWithMeasure, BarcodeToTry, TriedBarcode
from stocky.db import Connection, Database
from stocky.errors import Invalid
from stocky.http.routing import Router
from stocky.settings import repository
from stocky.settings.schemas import Settings, SettingsChange, ShownSettings


@get("/", opt=admins)
async def get_settings(read: Connection, state: State) -> ShownSettings:
    """Get all current settings."""
    return _shown(await repository.get_settings(read), state.timezone)


@patch("/", opt=admins)
async def change_settings(data: SettingsChange, database: Database, state: State, user: Principal) -> ShownSettings:
    """Change the settings that are sent; the others stay unchanged."""
    if data.timezone not in (UNSET, state.timezone):
        raise Invalid(
            f"timezone: is {state.timezone}; to change it, set STOCKY_TIMEZONE and restart Stocky", field="timezone"
        )
    async with database.transaction() as tx:
        settings = await repository.change_settings(tx, msgspec.structs.replace(data, timezone=UNSET), user)
        if data.expiring_soon_days is not UNSET:
            await queue_check(tx, user.user.username)
    if data.measure_rules is not UNSET:
        await state.measure_rules.changed()
    return _shown(settings, state.timezone)


@get("/measure-rules/presets", opt=admins)
async def list_measure_presets() -> list[MeasurePreset]:
    """The rules for variable-measure barcodes that are usual in a country, to send as `measure_rules`."""
    return list(PRESETS.values())


@post("/measure-rules/try", opt=admins, status_code=200)
async def try_barcode(data: BarcodeToTry, read: Connection) -> TriedBarcode:
    """What is read in a barcode by these rules, or by those in use; nothing is booked."""
    return await item_numbers.try_barcode(read, data)


@get("/measure-rules/barcodes", opt=admins)
async def list_barcodes_with_measure(read: Connection) -> BarcodesWithMeasure:
    """The barcodes of items in which the rules read a measure.

    Each finds its item by that measure only, until the item has its item number.
    """
    return await item_numbers.list_barcodes_with_measure(read)


@post("/measure-rules/barcodes", opt=admins, status_code=200)
async def add_item_numbers(tx: Connection, user: Principal) -> AddedItemNumbers:
    """Give items the item numbers of their barcodes, up to 200 at once, so that every piece finds them."""
    return await item_numbers.add_item_numbers(tx, user)


def _shown(settings: Settings, timezone: str) -> ShownSettings:
    return ShownSettings(**msgspec.structs.asdict(settings), timezone=timezone)


settings_routes = Router(
    "/settings",
    route_handlers=[
        get_settings,
        change_settings,
        list_measure_presets,
        try_barcode,
        list_barcodes_with_measure,
        add_item_numbers,
    ],
    tags=["Settings"],
)
