"""Items, locations and stock over HTTP, for tests that need some to begin with."""

from __future__ import annotations

from typing import Any

from httpx import AsyncClient, Response

Json = dict[str, Any]
PROBLEM = "application/problem+json"


async def new_item(client: AsyncClient, name: str = "Coffee", **fields: Any) -> Json:
    """An item as it was answered."""
    return made(await client.post("/items/", json={"name": name, **fields}))


async def new_location(client: AsyncClient, name: str = "Shelf", **fields: Any) -> Json:
    """A location as it was answered."""
    return made(await client.post("/locations/", json={"name": name, **fields}))


async def new_box(client: AsyncClient, capacity: int, **fields: Any) -> list[Json]:
    """The locations of a new box, by number."""
    box = made(await client.post("/boxes/", json={"capacity": capacity, **fields}))
    locations = await get(client, "/locations/", box_no=box["box_no"], limit=1000)
    return sorted(locations, key=lambda location: int(location["loc_no"]))


async def new_stock(client: AsyncClient, item: Json, location: Json, quantity: float, **fields: Any) -> Json:
    """A SKU as it was answered."""
    body = {"item_id": item["id"], "location_id": location["id"], "quantity": quantity, **fields}
    return made(await client.post("/skus/", json=body))


async def get(client: AsyncClient, path: str, **query: Any) -> Any:
    """The JSON of a 200."""
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def total(client: AsyncClient, item: Json) -> float:
    """How much of an item there is."""
    quantity: float = (await get(client, f"/items/{item['id']}"))["total_quantity"]
    return quantity


def made(answer: Response) -> Json:
    """The JSON of a 200 or 201."""
    assert answer.status_code in (200, 201), answer.text
    body: Json = answer.json()
    return body


def refused(answer: Response, status: int, *words: str) -> Json:
    """The problem of an answer, which has this status and these words in its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    assert answer.headers["x-request-id"]
    problem: Json = answer.json()
    assert problem["status"] == status
    for word in words:
        assert word.lower() in problem["detail"].lower(), problem
    return problem
