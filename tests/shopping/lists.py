"""Shopping lists over HTTP, for tests."""

from __future__ import annotations

from typing import Any

from httpx import AsyncClient

from tests.inventory import Json, get, made


async def new_list(client: AsyncClient, name: str = "Weekly", **fields: Any) -> Json:
    """Creates a list."""
    return made(await client.post("/shopping-lists/", json={"name": name, **fields}))


async def put_on(client: AsyncClient, a_list: Json, item: Json | str, quantity: float = 1) -> Json:
    """Adds an entry; a text becomes a placeholder."""
    what = {"text": item} if isinstance(item, str) else {"item_id": item["id"]}
    return made(await client.post(f"/shopping-lists/{a_list['id']}/items", json={**what, "quantity": quantity}))


async def on(client: AsyncClient, a_list: Json) -> dict[str, float]:
    """The entries of a list: quantities by name or text."""
    entries = (await get(client, f"/shopping-lists/{a_list['id']}"))["items"]
    return {entry["item"]["name"]: entry["quantity"] for entry in entries}


async def log_of(client: AsyncClient, a_list: Json, **query: Any) -> list[Json]:
    """The log of a list, newest first."""
    page = await get(client, f"/shopping-lists/{a_list['id']}/logs", **query)
    rows: list[Json] = page["items"]
    return rows
