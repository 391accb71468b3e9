"""Runs imports over HTTP and waits for their end."""

from __future__ import annotations

import asyncio
import csv
import time
from collections.abc import Awaitable, Callable
from io import StringIO
from itertools import count
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.imports.applier import Applier
from tests.inventory import Json, get

SECONDS = 60
KITCHEN = """name,barcode,location,quantity,unit,expires,tags
Tea,40063813,Shelf,3,pack,,hot; dry
Milk,40063820,Fridge,1.5,l,2030-01-31,
Milk,40063820,Fridge,2,l,2030-02-28,
Salt,,Shelf,0.125,kg,,
"""


def before_chunk(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], Awaitable[None]]) -> None:
    """Lets an import call `act` right before it writes its chunk of this number, of which the first is 1."""
    write, tried = Applier._apply, count(1)

    async def apply(self: Applier, *asked: Any) -> Any:
        if next(tried) == number:
            await act()
        return await write(self, *asked)

    monkeypatch.setattr(Applier, "_apply", apply)


async def begin(client: AsyncClient, content: str | bytes, name: str = "items.csv", **options: str) -> Json:
    """The response to an accepted import."""
    body = content.encode() if isinstance(content, str) else content
    answer = await client.post("/imports", files={"file": (name, body, "text/csv")}, data=options)
    assert answer.status_code == 202, answer.text
    started: Json = answer.json()
    return started


async def ended(client: AsyncClient, job_id: int) -> Json:
    """The job of an import after its end."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        job: Json = await get(client, f"/imports/{job_id}")
        if job["status"] in ("done", "failed"):
            return job
        await asyncio.sleep(0.02)
    raise AssertionError(f"the import did not end: {job}")


async def imported(client: AsyncClient, content: str | bytes, name: str = "items.csv", **options: str) -> Json:
    """The report of an import after its end."""
    job = await ended(client, (await begin(client, content, name, **options))["job_id"])
    assert job["status"] == "done", job
    report: Json = job["result"]
    return report | {"job_id": job["id"]}


async def failed(client: AsyncClient, content: str | bytes, **options: str) -> Json:
    """The job of a failed import."""
    job = await ended(client, (await begin(client, content, **options))["job_id"])
    assert job["status"] == "failed", job
    return job


def counts(report: Json) -> tuple[int, int, int, int]:
    """The counts of created, changed, unchanged and refused rows, which add up to all rows."""
    found = tuple(report[name] for name in ("created", "changed", "unchanged", "refused"))
    assert sum(found) == report["lines"], report
    return found  # type: ignore[return-value]


async def table(client: AsyncClient, path: str) -> list[dict[str, str]]:
    """The rows of a CSV response, by header."""
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"), newline="")))


async def stock_of(client: AsyncClient, name: str) -> list[tuple[str, float, str | None]]:
    """The stock of an item by location and lot."""
    skus: list[Any] = await get(client, "/skus/", search=name, expand="item,location")
    return sorted(
        (sku["location"]["path"], sku["quantity"], sku["expiry_date"]) for sku in skus if sku["item"]["name"] == name
    )
