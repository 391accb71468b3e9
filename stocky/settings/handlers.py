"""`/settings`: what administrators change while Stocky runs."""

from __future__ import annotations

from litestar import Router, get, patch
from msgspec import UNSET

from stocky.alerts.upkeep import look_soon
from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.settings import repository
from stocky.settings.schemas import Settings, SettingsChange


@get("/", opt=admins)
async def get_settings(read: Connection) -> Settings:
    """All settings as they are now."""
    return await repository.get_settings(read)


@patch("/", opt=admins)
async def change_settings(data: SettingsChange, tx: Connection, user: Principal) -> Settings:
    """Change the settings that are sent; the others stay."""
    settings = await repository.change_settings(tx, data, user)
    if data.expiring_soon_days is not UNSET:
        await tx.run(look_soon(user.user.username))
    return settings


settings_routes = Router("/settings", route_handlers=[get_settings, change_settings], tags=["Settings"])
