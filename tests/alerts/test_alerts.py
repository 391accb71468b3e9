"""`/alerts` over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

from httpx import AsyncClient

from stocky.alerts.evaluate import queue_check
from stocky.alerts.repository import raise_service_alert
from stocky.alerts.schemas import ServiceAlert
from stocky.db import Database
from stocky.jobs.repository import list_jobs
from tests.inventory import get, made, new_item, new_location, new_stock, refused

SEAL = {"alert_type": "maintenance", "message": "The freezer's seal is torn"}


async def test_alert_response_matches_the_contract(member: AsyncClient, reader: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    sku = await new_stock(member, item, shelf, 1)
    answer = await member.post("/alerts/", json={**SEAL, "threshold_value": 1.5, "sku_id": sku["id"]})
    assert answer.status_code == 201
    alert = answer.json()
    assert set(alert) >= {
        "id", "alert_type", "message", "threshold_value", "is_active", "is_acknowledged", "acknowledged_at", "sku_id",
        "item_id", "created_at", "updated_at",
    }  # fmt: skip
    assert (alert["alert_type"], alert["message"]) == (SEAL["alert_type"], SEAL["message"])
    assert (alert["threshold_value"], alert["sku_id"], alert["item_id"]) == (1.5, sku["id"], item["id"])
    assert (alert["is_active"], alert["is_acknowledged"], alert["acknowledged_at"]) == (True, False, None)
    for path in ("/alerts", "/alerts/"):
        assert await get(reader, path) == [alert]


async def test_alert_is_acknowledged_and_resolved(member: AsyncClient) -> None:
    alert = made(await member.post("/alerts/", json=SEAL))
    path = f"/alerts/{alert['id']}"
    seen = made(await member.patch(f"{path}/acknowledge"))
    assert (seen["is_acknowledged"], seen["is_active"]) == (True, True)
    assert seen["acknowledged_at"].endswith("Z")
    assert made(await member.patch(f"{path}/acknowledge"))["acknowledged_at"] == seen["acknowledged_at"]
    for _ in range(2):
        over = made(await member.patch(f"{path}/resolve"))
        assert (over["is_active"], over["is_acknowledged"]) == (False, True)
    assert await get(member, "/alerts/") == []
    assert [each["id"] for each in await get(member, "/alerts/", active_only=False)] == [alert["id"]]
    for action in ("acknowledge", "resolve"):
        refused(await member.patch(f"/alerts/999/{action}"), 404, "alert", "999")


async def test_alerts_are_listed_newest_first_and_paged(member: AsyncClient) -> None:
    ids = [made(await member.post("/alerts/", json=SEAL))["id"] for _ in range(3)][::-1]
    queries: list[tuple[dict[str, Any], list[int]]] = [
        ({}, ids),
        ({"skip": 1, "limit": 1}, ids[1:2]),
        ({"page": 2, "size": 2}, ids[2:]),
    ]
    for query, shown in queries:
        assert [each["id"] for each in await get(member, "/alerts/", **query)] == shown, query
    refused(await member.get("/alerts/", params={"limit": 1001}), 422, "limit")


async def test_one_cause_has_one_active_alert(member: AsyncClient) -> None:
    sku = await new_stock(member, await new_item(member), await new_location(member), 1)
    about = {"alert_type": "low_stock", "message": "Buy more", "sku_id": sku["id"]}
    first = made(await member.post("/alerts/", json=about))
    refused(await member.post("/alerts/", json=about), 409, "low_stock")
    made(await member.patch(f"/alerts/{first['id']}/resolve"))
    assert made(await member.post("/alerts/", json=about))["id"] != first["id"]


async def test_negative_stock_raises_and_resolves_an_alert(member: AsyncClient) -> None:
    item = await new_item(member, oversell_policy="allow")
    sku = await new_stock(member, item, await new_location(member), 1)
    adjust = f"/skus/{sku['id']}/adjust"
    made(await member.post(adjust, json={"delta": -3}))
    made(await member.post(adjust, json={"delta": -1}))
    [alert] = await get(member, "/alerts/")
    assert (alert["alert_type"], alert["sku_id"], alert["item_id"]) == ("negative_stock", sku["id"], item["id"])
    made(await member.post(adjust, json={"delta": 10}))
    assert await get(member, "/alerts/") == []


async def test_invalid_alert_is_rejected(member: AsyncClient) -> None:
    wrong: list[tuple[str, Any]] = [
        ("alert_type", ""),
        ("alert_type", "x" * 51),
        ("message", ""),
        ("message", "x" * 1001),
        ("message", None),
        ("threshold_value", -1),
        ("threshold_value", 0.0001),
        ("sku_id", 0),
        ("sku_id", "one"),
    ]
    for field, value in wrong:
        problem = refused(await member.post("/alerts/", json={**SEAL, field: value}), 422)
        assert [error["field"] for error in problem["errors"]] == [field], problem
    refused(await member.post("/alerts/", json={**SEAL, "sku_id": 999}), 404, "SKU", "999")
    assert await get(member, "/alerts/", active_only=False) == []


async def test_two_settings_changes_queue_one_check(database: Database) -> None:
    async with database.transaction() as tx:
        await queue_check(tx, "admin")
    async with database.transaction() as tx:
        await queue_check(tx, "admin")
    async with database.read() as read:
        assert len(await list_jobs(read, skip=0, limit=10, kind="alerts.look")) == 1


async def test_one_cause_found_by_several_processes_is_one_alert(admin: AsyncClient, database: Database) -> None:
    raised = await asyncio.gather(
        *(database.run(raise_service_alert, ServiceAlert.BACKUP_FAILED, f"no {number}") for number in range(8))
    )
    assert sorted(raised) == [False] * 7 + [True]
    assert len(await get(admin, "/alerts/")) == 1
