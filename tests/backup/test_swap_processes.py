"""A restore through one of two real processes: both have the new data, and every lost event is reported."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.architecture import schema
from tests.backup.dumps import take, text_of
from tests.inventory import get, made, new_item, new_location, new_stock, refused, total
from tests.people import PASSWORD
from tests.serving import Server

Serve = Callable[..., AbstractContextManager[Server]]
UPC = "4006381333931"


@pytest.fixture
async def first(serve: Serve) -> AsyncIterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture
async def second(serve: Serve, first: Server, dialect: str) -> AsyncIterator[Server]:
    """Another process on the same database; with SQLite the same one."""
    if dialect == "sqlite":
        yield first
        return
    with serve() as server:
        yield server


@asynccontextmanager
async def client_of(server: Server, key: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(base_url=server.api, headers={"X-API-Key": key}, timeout=60) as client:
        yield client


async def restore(admin: AsyncClient, dump: bytes) -> dict[str, Any]:
    """The response to a restore by upload."""
    return made(await admin.post("/backup/upload/import/full?force=true", files={"file": ("a.sql.gz", dump)}))


async def test_other_process_clears_its_caches(
    first: Server, second: Server, keys: dict[str, str], config: Config
) -> None:
    async with client_of(first, keys["admin"]) as admin, client_of(second, keys["admin"]) as other:
        shelf = await new_location(admin)
        then = await new_item(admin, "Then", barcodes=[{"barcode": UPC}])
        revoked, kept = [made(await admin.post("/api-keys", json={"name": name})) for name in ("revoked", "kept")]
        dump = await take(admin)

        made(await admin.patch(f"/items/{then['id']}", json={"barcodes": []}))
        now = await new_item(admin, "Now", barcodes=[{"barcode": UPC}])
        late = made(await admin.post("/api-keys", json={"name": "late"}))
        assert (await admin.delete(f"/api-keys/{revoked['id']}")).is_success
        signed_in = made(await other.post("/auth/login-json", json={"username": "admin", "password": PASSWORD}))
        token = {"Authorization": f"Bearer {signed_in['access_token']}"}
        async with AsyncClient(base_url=second.api) as anyone:

            async def status(headers: dict[str, str]) -> int:
                return (await anyone.get("/auth/me", headers=headers)).status_code

            def with_key(key: dict[str, Any]) -> dict[str, str]:
                return {"X-API-Key": key["api_key"]}

            # The other process has them all cached, and the barcode's item.
            assert [await status(with_key(key)) for key in (revoked, kept, late)] == [401, 200, 200]
            assert await status(token) == 200
            scan = {"upc": UPC, "scanner_id": "s1", "location_hint": shelf["id"]}
            assert made(await other.post("/scanner/scan", json=scan))["item"]["id"] == now["id"]

            answer = await restore(admin, dump)
            assert [name.split()[0] for name in answer["kept_revoked"]] == ["revoked"]

            assert [await status(with_key(key)) for key in (revoked, kept, late)] == [401, 200, 401]
            assert await status(token) == 401
            assert made(await other.post("/scanner/scan", json=scan))["item"]["id"] == then["id"]
        assert await total(admin, then) == 1
    assert await find_faults(config) == []


async def test_clients_see_old_then_new_data_and_lost_events_are_reported(
    first: Server, second: Server, keys: dict[str, str], config: Config
) -> None:
    async with (
        client_of(first, keys["admin"]) as admin,
        client_of(second, keys["reader"]) as reader,
        client_of(second, keys["scanner"]) as scanner,
    ):
        shelf, item = await new_location(admin, "Restored"), await new_item(admin, "Restored")
        await new_stock(admin, item, shelf, 1)
        dump = await take(admin)
        for path in (f"/locations/{shelf['id']}", f"/items/{item['id']}"):
            made(await admin.patch(path, json={"name": "Live"}))

        stop = asyncio.Event()
        acknowledged: set[str] = set()
        refusals = []

        async def watch() -> list[tuple[str, str]]:
            seen = []
            while not stop.is_set():
                answer = await reader.get("/skus/", params={"expand": "item,location"})
                if answer.status_code == 200:
                    # One request reads both.
                    seen += [(sku["item"]["name"], sku["location"]["name"]) for sku in answer.json()[:1]]
                else:
                    refusals.append(answer)
            return seen

        async def record(name: str) -> None:
            number = 0
            while not stop.is_set():
                number += 1
                event = {
                    "event_id": f"{name}-{number}",
                    "type": "add",
                    "item": {"id": item["id"]},
                    "location": {"id": shelf["id"]},
                    "quantity": 1,
                }
                answer = await scanner.post("/events", json={"events": [event]})
                if answer.status_code == 200:
                    acknowledged.add(f"{name}-{number}")
                else:
                    refusals.append(answer)

        watchers = [asyncio.create_task(watch()) for _ in range(2)]
        recorders = [asyncio.create_task(record(name)) for name in ("a", "b", "c")]
        answer = await restore(admin, dump)
        stop.set()
        for seen in await asyncio.gather(*watchers):
            assert set(seen) <= {("Live", "Live"), ("Restored", "Restored")}
            # "Live" comes before "Restored", and never after it.
            assert seen == sorted(seen)
        await asyncio.gather(*recorders)
        for refusal in refusals:
            refused(refusal, 503, "restore")
            assert int(refusal.headers["retry-after"]) > 0

        before = await admin.get(f"/system/backup/{answer['safety_backup']}/download")
        in_backup = set(re.findall(r"'([abc]-\d+)'", text_of(before.content)))
        rows = await schema.run_beside(config, "SELECT event_id FROM stock_event WHERE event_id IS NOT NULL")
        there = {id for (id,) in rows}
        reported = sum(int(warning.split()[0]) for warning in answer["warnings"] if "were recorded while" in warning)
        assert acknowledged
        assert len(acknowledged - in_backup - there) <= reported
        assert await get(reader, f"/items/{item['id']}")
    assert await find_faults(config) == []
