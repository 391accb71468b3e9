"""Projects over HTTP, for tests."""

from __future__ import annotations

from typing import Any

from httpx import AsyncClient

from tests.inventory import Json, get, made


async def new_project(client: AsyncClient, *needs: tuple[Json | str, float], **fields: Any) -> Json:
    """Creates a project; a text becomes a placeholder."""
    items = [
        ({"text": what} if isinstance(what, str) else {"item_id": what["id"]}) | {"quantity": quantity}
        for what, quantity in needs
    ]
    return made(await client.post("/projects/", json={"name": "Lamp", "items": items, **fields}))


async def missing(client: AsyncClient, project: Json) -> dict[str, float]:
    """The missing quantities, by name or text."""
    answer = await get(client, f"/projects/{project['id']}/missing")
    found = {each["item"]["name"] if each["item"] else each["text"]: each["missing"] for each in answer["items"]}
    assert answer["is_complete"] == (not found)
    return found


async def stock(client: AsyncClient, item: Json) -> dict[tuple[int, str | None], float]:
    """Quantities of an item by location and expiry date, without empty ones."""
    skus = await get(client, "/skus/", item_id=item["id"])
    return {(sku["location_id"], sku["expiry_date"]): sku["quantity"] for sku in skus if sku["quantity"]}
