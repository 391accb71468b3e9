"""Merging and unmerging over HTTP, for tests."""

from __future__ import annotations

from httpx import AsyncClient

from tests.inventory import Json, made


async def merge(client: AsyncClient, source: Json, target: Json) -> Json:
    """Merges, and returns the target."""
    return made(await client.post(f"/items/{source['id']}/merge", json={"into": target["id"]}))


async def unmerge(client: AsyncClient, source: Json) -> Json:
    """Unmerges, and returns the source."""
    return made(await client.post(f"/items/{source['id']}/unmerge"))
