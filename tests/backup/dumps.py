"""Helpers to create, open and restore dumps over HTTP."""

from __future__ import annotations

import base64
import gzip
from typing import Any

from httpx import AsyncClient

from tests.inventory import Json, get, made


async def take(admin: AsyncClient) -> bytes:
    """Downloads a new dump as a gzip file."""
    answer = await admin.post("/backup/create/full/download")
    assert answer.status_code == 200, answer.text
    return answer.content


def text_of(dump: bytes) -> str:
    return gzip.decompress(dump).decode()


def packed(text: str) -> bytes:
    return gzip.compress(text.encode())


def as_json(dump: bytes, **options: Any) -> Json:
    return {"backup_data": base64.b64encode(dump).decode(), **options}


async def restore(admin: AsyncClient, dump: bytes) -> Json:
    """Replaces all data by the dump; returns the response."""
    return made(await admin.post("/backup/import/full", json=as_json(dump, force=True)))


async def finished(admin: AsyncClient, job_id: int) -> Json:
    """The job after it has ended, with any outcome."""
    async with admin.stream("GET", f"/jobs/{job_id}/events") as events:
        async for _ in events.aiter_lines():
            pass
    job: Json = await get(admin, f"/jobs/{job_id}")
    assert job["status"] in ("done", "failed", "cancelled"), job
    return job


async def done(admin: AsyncClient, started: Any) -> Any:
    """The result of the job started by this response."""
    assert started.status_code == 202, started.text
    job = await finished(admin, started.json()["job_id"])
    assert job["status"] == "done", job
    return job["result"]
