"""Settings that admins change: defaults, validation and audit."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from stocky.clock import local_zone
from stocky.config import Config
from tests.architecture import schema
from tests.inventory import get, made, refused

pytestmark = pytest.mark.one_server

AT_FIRST = {
    "backup_schedule_enabled": False,
    "backup_schedule_time": "03:00",
    "backup_schedule_kind": "archive",
    "backup_keep": 7,
    "backup_incremental": False,
    "backup_base_days": 7,
    "expiring_soon_days": 7,
    "emptied_days": 90,
    "currency": "EUR",
    "measure_rules": [],
    "timezone": local_zone("")[1],
}


async def test_unchanged_settings_have_their_defaults(admin: AsyncClient) -> None:
    assert await get(admin, "/settings") == AT_FIRST


async def test_only_sent_settings_change(admin: AsyncClient) -> None:
    changed = made(await admin.patch("/settings", json={"backup_keep": 3}))
    assert changed == AT_FIRST | {"backup_keep": 3}
    made(await admin.patch("/settings", json={"backup_schedule_time": "23:59"}))
    assert await get(admin, "/settings") == AT_FIRST | {"backup_keep": 3, "backup_schedule_time": "23:59"}


async def test_settings_can_be_sent_back_unchanged(admin: AsyncClient) -> None:
    read = await get(admin, "/settings")
    assert made(await admin.patch("/settings", json=read | {"backup_keep": 3})) == read | {"backup_keep": 3}


async def test_only_changes_are_audited(admin: AsyncClient) -> None:
    made(await admin.patch("/settings", json={"backup_keep": 3, "backup_schedule_enabled": False}))
    made(await admin.patch("/settings", json={"backup_keep": 3}))
    (entry,) = await get(admin, "/audit/", subject="settings")
    assert entry["details"] == {"backup_keep": 3}


@pytest.mark.parametrize(
    "change",
    [
        {"backup_keep": 0},
        {"backup_keep": 366},
        {"backup_base_days": 0},
        {"backup_incremental": "sometimes"},
        {"backup_keep": "many"},
        {"backup_schedule_time": "24:00"},
        {"backup_schedule_time": "3 o'clock"},
        {"backup_schedule_kind": "zip"},
        {"backup_schedule_enabled": "perhaps"},
        {"unknown": 1},
        {"timezone": "Mars/Olympus"},
        {"timezone": "Pacific/Kiritimati"},
    ],
)
async def test_invalid_settings_are_rejected(admin: AsyncClient, change: dict[str, object]) -> None:
    refused(await admin.patch("/settings", json=change), 422)
    assert await get(admin, "/settings") == AT_FIRST


async def test_stored_value_of_another_version_is_ignored(admin: AsyncClient, config: Config) -> None:
    made(await admin.patch("/settings", json={"backup_keep": 3, "backup_schedule_kind": "sql"}))
    await schema.run_beside(config, "UPDATE setting SET value = '\"tape\"' WHERE name = 'backup_schedule_kind'")
    assert await get(admin, "/settings") == AT_FIRST | {"backup_keep": 3}
