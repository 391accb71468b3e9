"""Merging and giving back over HTTP, for tests."""

from __future__ import annotations

from httpx import AsyncClient

from tests.inventory import Json, made


async def merge(client: AsyncClient, source: Json, target: Json) -> Json:
    """The item that is left."""
    return made(await client.post(f"/items/{source['id']}/merge", json={"into": target["id"]}))


async def unmerge(client: AsyncClient, source: Json) -> Json:
    """The item that is one of its own again."""
    return made(await client.post(f"/items/{source['id']}/unmerge"))
