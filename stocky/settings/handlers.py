"""`/settings`: settings that admins change at run time."""

from __future__ import annotations

import msgspec
from litestar import Router, get, patch
from litestar.datastructures import State
from msgspec import UNSET

from stocky.alerts.evaluate import queue_check
from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.errors import Invalid
from stocky.settings import repository
from stocky.settings.schemas import Settings, SettingsChange, ShownSettings


@get("/", opt=admins)
async def get_settings(read: Connection, state: State) -> ShownSettings:
    """Get all current settings."""
    return _shown(await repository.get_settings(read), state.timezone)


@patch("/", opt=admins)
async def change_settings(data: SettingsChange, tx: Connection, state: State, user: Principal) -> ShownSettings:
    """Change the settings that are sent; the others stay unchanged."""
    if data.timezone not in (UNSET, state.timezone):
        raise Invalid(
            f"timezone: is {state.timezone}; to change it, set STOCKY_TIMEZONE and restart Stocky", field="timezone"
        )
    settings = await repository.change_settings(tx, msgspec.structs.replace(data, timezone=UNSET), user)
    if data.expiring_soon_days is not UNSET:
        await queue_check(tx, user.user.username)
    return _shown(settings, state.timezone)


def _shown(settings: Settings, timezone: str) -> ShownSettings:
    return ShownSettings(**msgspec.structs.asdict(settings), timezone=timezone)


settings_routes = Router("/settings", route_handlers=[get_settings, change_settings], tags=["Settings"])
