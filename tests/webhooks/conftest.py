"""A Stocky that may send webhooks to this machine, and what its events are about."""

from __future__ import annotations

from datetime import timedelta

import pytest
from httpx import AsyncClient

from tests.inventory import Json, new_item, new_location
from tests.webhooks.receiving import LOOK_SECONDS


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return environ | {"STOCKY_WEBHOOKS_TO_PRIVATE": "true"}


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks for new events and for due deliveries several times a second instead of once."""
    monkeypatch.setattr("stocky.webhooks.service.LOOK_SECONDS", LOOK_SECONDS)
    monkeypatch.setattr("stocky.webhooks.delivery.LOOK_SECONDS", LOOK_SECONDS)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed deliveries are retried after 0.1 seconds instead of ten."""
    monkeypatch.setattr("stocky.webhooks.delivery.FIRST_BACK_OFF", timedelta(seconds=0.1))
    monkeypatch.setattr("stocky.webhooks.delivery.LAST_BACK_OFF", timedelta(seconds=0.1))


@pytest.fixture
async def item(member: AsyncClient) -> Json:
    return await new_item(member)


@pytest.fixture
async def shelf(member: AsyncClient) -> Json:
    return await new_location(member)
