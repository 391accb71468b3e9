"""The `type` of a problem is the address of its kind, which Stocky describes there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import AsyncClient

from stocky import app as every_module  # noqa: F401 - defines every subclass of StockyError
from stocky.errors import CONFLICTS, Conflict, StockyError
from stocky.http.problem_types import OF_STATUS, TYPES
from tests.inventory import Json, made, new_item, new_location, new_stock, refused

DOCS = Path(__file__).parents[2] / "docs" / "api.md"


def _kinds(error: type[StockyError]) -> Iterator[type[StockyError]]:
    yield error
    for each in error.__subclasses__():
        yield from _kinds(each)


def test_every_error_has_a_type_of_its_status() -> None:
    for error in _kinds(StockyError):
        assert TYPES[error.kind].status == error.status, error
        assert OF_STATUS[error.status] in TYPES
    for constraint in CONFLICTS:
        assert TYPES[Conflict.of(constraint).kind].status == 409, constraint
    assert OF_STATUS[Conflict.status] == "conflict"


def test_docs_list_every_type() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| (.+) \| (.+) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    assert rows == [(kind, str(int(each.status)), each.meaning, each.remedy) for kind, each in TYPES.items()]


async def test_each_type_has_a_page_at_its_address(root: AsyncClient) -> None:
    listed = await root.get("/problems")
    assert listed.status_code == 200
    assert listed.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in listed.headers["content-security-policy"]
    for kind, each in TYPES.items():
        assert f'<a href="/problems/{kind}">' in listed.text
        shown = await root.get(f"/problems/{kind}")
        assert shown.status_code == 200
        assert f"Status {int(each.status)}" in shown.text
    assert "the status is 400" in (await root.get("/problems/already-exists")).text
    refused(await root.get("/problems/none"), 404, "no problem type none")


async def test_problems_have_the_type_of_their_kind(
    admin: AsyncClient, member: AsyncClient, reader: AsyncClient
) -> None:
    item, shelf = await new_item(member, upc="40063813"), await new_location(member)
    sku = await new_stock(member, item, shelf, 2)
    of_item = {"item": {"id": item["id"]}, "location": {"id": shelf["id"]}}
    add = {"type": "add", "quantity": 1, "event_id": "e1", **of_item}
    event = made(await member.post("/events", json={"events": [add]}))["results"][0]["id"]
    made(await member.post(f"/events/{event}/undo"))
    remove = {"type": "remove", "quantity": 9, **of_item}
    problems: dict[str, Json] = {
        "oversell": refused(await member.post(f"/skus/{sku['id']}/adjust", json={"delta": -9}), 409),
        "unit-mismatch": refused(await member.post(f"/skus/{sku['id']}/adjust", json={"delta": 1, "unit": "kg"}), 409),
        "not-applied": refused(await member.post("/events", json={"events": [remove], "atomic": True}), 409),
        "event-id-reused": refused(
            await member.post(f"/skus/{sku['id']}/adjust", json={"delta": 1, "event_id": "e1"}), 409
        ),
        "already-undone": refused(await member.post(f"/events/{event}/undo"), 409),
        "in-use": refused(await member.delete(f"/items/{item['id']}"), 409),
        "already-exists": refused(await member.post("/items", json={"name": "Tea", "upc": "40063813"}), 409),
        "changed-meanwhile": refused(
            await member.patch(f"/items/{item['id']}", json={"name": "x"}, headers={"If-Match": '"99"'}), 412
        ),
        "invalid": refused(await member.post("/items", json={}), 422),
        "malformed-request": refused(
            await member.patch(f"/items/{item['id']}", json={"name": "x"}, headers={"If-Match": "x"}), 400
        ),
        "unauthorized": refused(await member.get("/items", headers={"X-API-Key": "wrong"}), 401),
        "forbidden": refused(await reader.post("/items", json={"name": "x"}), 403),
        "not-found": refused(await member.get("/items/987654"), 404),
        "method-not-allowed": refused(await member.delete("/items"), 405),
        "unsupported-type": refused(
            await member.post("/items", content=b"<a/>", headers={"Content-Type": "text/xml"}), 415
        ),
    }
    assert {kind: problem["type"] for kind, problem in problems.items()} == {
        kind: f"/problems/{kind}" for kind in problems
    }


@pytest.mark.parametrize("name", ["ada", "Ädä"])
async def test_name_that_is_taken_has_the_type_of_its_kind(admin: AsyncClient, name: str) -> None:
    ada = {"username": name, "email": "ada@example.org", "password": "correct horse"}
    made(await admin.post("/users", json=ada))
    for other, field in (
        ({"username": name.upper(), "email": "ä@example.org"}, "username"),
        ({"username": "Bella", "email": "ADA@example.org"}, "email"),
    ):
        problem = refused(await admin.post("/users", json=ada | other), 400)
        assert (problem["type"], problem["errors"][0]["field"]) == ("/problems/already-exists", field)
