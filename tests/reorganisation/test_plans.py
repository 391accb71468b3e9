"""`/reorg` over HTTP: plans are computed as jobs, applied once and completely or rejected, and undone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.config import Config
from stocky.jobs.jobs import Jobs
from stocky.reorganisation import computing
from stocky.reorganisation.service import Reorganisation
from stocky.stock.consistency import find_faults
from tests.architecture import schema
from tests.inventory import Json, get, made, new_box, new_item, new_location, new_stock, refused
from tests.stock.stockroom import SOMEONE, leave, second_stockroom

pytestmark = pytest.mark.one_server


async def plan(client: AsyncClient, **fields: Any) -> Json:
    """Computes a plan."""
    answer = await client.post("/reorg/plans", json=fields)
    assert answer.status_code == 202, answer.text
    for _ in range(1200):
        found = await get(client, answer.json()["plan_url"].removeprefix("/api/v1"))
        if found["status"] != "computing":
            break
        await asyncio.sleep(0.05)
    assert found["status"] == "proposed"
    return dict(found)


async def where(client: AsyncClient, item: Json) -> dict[tuple[str, str | None], float]:
    """The quantities of an item by location and expiry date."""
    skus = await get(client, "/skus/", item_id=item["id"], expand="location")
    return {(sku["location"]["name"], sku["expiry_date"]): sku["quantity"] for sku in skus if sku["quantity"]}


class Workshop:
    """Two boxes of three locations: screws in both, two lots in the second; washers in one, nuts in the other."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client

    async def fill(self) -> Workshop:
        self.first, self.second = await new_box(self.client, 3), await new_box(self.client, 3)
        self.screws, self.nuts = await new_item(self.client, "Screws"), await new_item(self.client, "Nuts")
        await new_stock(self.client, self.screws, self.first[0], 500)
        await new_stock(self.client, await new_item(self.client, "Washers"), self.first[1], 1)
        self.loose = await new_stock(self.client, self.screws, self.second[1], 2.5, notes="from the old bench")
        self.dated = await new_stock(self.client, self.screws, self.second[1], 7, expiry_date="2031-01-31")
        self.box_of_nuts = await new_stock(self.client, self.nuts, self.second[2], 40, notes="M3")
        return self

    async def put(self, sku: Json, quantity: float) -> None:
        made(await self.client.put(f"/skus/{sku['id']}/quantity", json={"quantity": quantity}))

    async def apply(self, plan: Json) -> Json:
        return made(await self.client.post(f"/reorg/plans/{plan['id']}/apply"))


@pytest.fixture
async def workshop(member: AsyncClient) -> Workshop:
    return await Workshop(member).fill()


async def test_plan_is_not_computed_in_the_server_process(
    member: AsyncClient, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("its memory would be the server's")

    monkeypatch.setattr(computing, "propose", refuse)
    assert (await plan(member))["move_count"] == 3


async def test_plan_has_moves_with_reasons(member: AsyncClient, admin: AsyncClient, workshop: Workshop) -> None:
    found = await plan(member)
    assert (found["freed_boxes"], found["move_count"], found["has_more"], found["batch_id"]) == ([2], 3, False, None)
    here_already = "500 of it are in Box 1 / 1 already; box 2 becomes empty"
    assert [
        (move["step"], move["name"], move["from_location"]["name"], move["to_location"]["name"], move["expiry_date"],
         move["quantity"], move["moved_quantity"], move["reason"])
        for move in found["moves"]
    ] == [
        (1, "Screws", "Box 2 / 2", "Box 1 / 1", "2031-01-31", 7, None, here_already),
        (1, "Screws", "Box 2 / 2", "Box 1 / 1", None, 2.5, None, here_already),
        (2, "Nuts", "Box 2 / 3", "Box 1 / 3", None, 40, None, "box 1 has room for it; box 2 becomes empty"),
    ]  # fmt: skip
    assert found["moves"][2]["to_location"] == {
        "id": workshop.first[2]["id"], "name": "Box 1 / 3", "path": "Box 1 / 3", "box_no": 1, "loc_no": 3,
    }  # fmt: skip
    again = await plan(member)
    assert again["moves"] == found["moves"], "the same stock gives the same plan"
    assert [each["id"] for each in await get(member, "/reorg/plans")] == [again["id"], found["id"]]
    assert "moves" not in (await get(member, "/reorg/plans"))[0]
    job = (await get(admin, "/jobs/", kind="reorg.plan"))[0]
    assert (job["status"], job["result"]["plan_id"], job["created_by"]) == ("done", again["id"], "member")
    assert await where(member, workshop.nuts) == {("Box 2 / 3", None): 40}, "nothing moves before it is applied"


async def test_lots_and_pieces_move_as_they_are(member: AsyncClient, workshop: Workshop, config: Config) -> None:
    await new_stock(member, workshop.screws, workshop.second[1], 3, lot="L1", expiry_date="2031-01-31")
    await new_stock(member, workshop.screws, workshop.second[1], 1, serial="S1")
    expected = {("", "", 7), ("L1", "", 3), ("", "", 2.5), ("", "S1", 1)}
    found = await plan(member)
    moves = [move for move in found["moves"] if move["name"] == "Screws"]
    assert {(move["lot"], move["serial"], move["quantity"]) for move in moves} == expected
    made(await member.post(f"/reorg/plans/{found['id']}/apply"))
    skus = await get(member, "/skus/", location_id=workshop.first[0]["id"])
    assert {(sku["lot"], sku["serial"], sku["quantity"]) for sku in skus} == {
        ("", "", 502.5), ("", "", 7), ("L1", "", 3), ("", "S1", 1),
    }  # fmt: skip
    assert await find_faults(config) == []


async def test_plan_is_applied_in_one_batch_and_undone(member: AsyncClient, workshop: Workshop, config: Config) -> None:
    before = [await where(member, item) for item in (workshop.screws, workshop.nuts)]
    found = await plan(member)
    applied = await workshop.apply(found)
    assert (applied["status"], applied["applied_by"] is None) == ("applied", False)
    assert [move["moved_quantity"] for move in applied["moves"]] == [7, 2.5, 40]
    assert await where(member, workshop.screws) == {("Box 1 / 1", None): 502.5, ("Box 1 / 1", "2031-01-31"): 7}
    assert await where(member, workshop.nuts) == {("Box 1 / 3", None): 40}
    assert (await get(member, "/boxes/2"))["occupied"] == 0
    notes = {sku["location_id"]: sku["notes"] for sku in await get(member, "/skus/", item_id=workshop.nuts["id"])}
    assert notes[workshop.first[2]["id"]] == "M3"
    assert (await plan(member))["moves"] == [], "planning again proposes nothing"
    events = (await get(member, "/events"))["events"]
    assert [event["note"] for event in events if event["batch_id"] == applied["batch_id"]] == [
        f"Reorganisation plan {found['id']}"
    ] * 6
    one = next(event["id"] for event in events if event["batch_id"] == applied["batch_id"])
    made(await member.post(f"/events/{one}/undo"))
    assert (await get(member, f"/reorg/plans/{found['id']}"))["status"] == "applied"
    made(await member.post(f"/events/batches/{applied['batch_id']}/undo"))
    assert (await get(member, f"/reorg/plans/{found['id']}"))["status"] == "undone"
    assert {each["status"] for each in await get(member, "/reorg/plans")} == {"undone", "proposed"}
    assert [await where(member, item) for item in (workshop.screws, workshop.nuts)] == before
    assert await find_faults(config) == []


async def test_concurrent_and_repeated_apply_counts_once(
    member: AsyncClient, admin: AsyncClient, workshop: Workshop, config: Config
) -> None:
    found = await plan(member)
    others = [await second_stockroom(config) for _ in range(2)]
    path = f"/reorg/plans/{found['id']}/apply"
    answers = await asyncio.gather(
        *(client.post(path) for client in (member, admin) * 3),
        *(
            Reorganisation(config, each.database, Jobs(each.database), each.recorder).apply_plan(found["id"], SOMEONE)
            for each in (others if config.dialect == "postgres" else [])
        ),
    )
    first = made(answers[0])
    assert all(made(answer) == first for answer in answers[:6])
    assert {answer.batch_id for answer in answers[6:]} <= {first["batch_id"]}
    assert made(await member.post(path)) == first
    assert await schema.run_beside(config, "SELECT count(*) FROM stock_event WHERE kind = 'move'") == [(6,)]
    for each in others:
        await leave(each)
    made(await member.post(f"/events/batches/{first['batch_id']}/undo"))
    assert made(await member.post(path)) == first | {"status": "undone"}, "once however it ended"
    assert await where(member, workshop.nuts) == {("Box 2 / 3", None): 40}


async def test_changed_quantity_does_not_break_a_plan(member: AsyncClient, workshop: Workshop) -> None:
    found = await plan(member)
    await workshop.put(workshop.box_of_nuts, 35)
    await workshop.put(workshop.loose, 9)
    await workshop.put(workshop.dated, 0)
    await new_stock(member, workshop.screws, workshop.first[0], 1)
    applied = await workshop.apply(found)
    assert [move["moved_quantity"] for move in applied["moves"]] == [0, 9, 35]
    assert await where(member, workshop.screws) == {("Box 1 / 1", None): 510}
    assert await where(member, workshop.nuts) == {("Box 1 / 3", None): 35}


async def test_breaking_change_is_named_and_nothing_moves(member: AsyncClient, workshop: Workshop) -> None:
    found = await plan(member)
    path = f"/reorg/plans/{found['id']}/apply"

    async def broken(*words: str) -> None:
        before = [await where(member, item) for item in (workshop.screws, workshop.nuts)]
        refused(await member.post(path), 409, "has changed since", *words)
        assert [await where(member, item) for item in (workshop.screws, workshop.nuts)] == before

    glue = await new_stock(member, await new_item(member, "Glue"), workshop.first[2], 1)
    await broken("another item is in Box 1 / 3: Glue")
    await workshop.put(glue, 0)
    lot = await new_stock(member, workshop.nuts, workshop.second[2], 3, expiry_date="2030-05-01")
    await broken("3 of Nuts (expiring 2030-05-01) were added to Box 2 / 3")
    await workshop.put(lot, 0)
    made(await member.patch("/boxes/1", json={"storage_type": "garage"}))
    await broken("Box 2 / 2 is for other storage and Box 1 / 1 for garage")
    made(await member.patch("/boxes/1", json={"storage_type": "other"}))
    made(await member.patch("/boxes/1", json={"capacity": 2}))
    await broken("Box 1 / 3 is no longer in use")
    made(await member.patch("/boxes/1", json={"capacity": 3}))
    made(await member.patch(f"/skus/{workshop.box_of_nuts['id']}", json={"unit": "kg"}))
    await broken("Nuts in Box 2 / 3 is now counted in kg")
    made(await member.patch(f"/skus/{workshop.box_of_nuts['id']}", json={"unit": "piece"}))
    made(await member.patch(f"/items/{workshop.screws['id']}", json={"default_storage_type": "freezer"}))
    await broken("Screws needs freezer storage, and Box 1 / 1 is for other")
    made(await member.patch(f"/items/{workshop.screws['id']}", json={"default_storage_type": "other"}))
    made(await member.patch(f"/items/{workshop.nuts['id']}", json={"oversell_policy": "allow"}))
    made(await member.post(f"/skus/{workshop.box_of_nuts['id']}/adjust", json={"delta": -41}))
    await broken("there are -1 of Nuts in Box 2 / 3")
    await workshop.put(workshop.box_of_nuts, 1)
    await workshop.apply(found)


async def test_other_unit_at_the_target_breaks_a_plan(member: AsyncClient, workshop: Workshop) -> None:
    found = await plan(member)
    other = await new_stock(member, workshop.nuts, workshop.first[2], 0, unit="kg")
    assert other["unit"] == "kg"
    refused(await member.post(f"/reorg/plans/{found['id']}/apply"), 409, "Nuts is counted in kg in Box 1 / 3")


async def test_a_plan_with_nothing_left_to_move_is_not_applied(member: AsyncClient, workshop: Workshop) -> None:
    found = await plan(member)
    for sku in (workshop.loose, workshop.dated, workshop.box_of_nuts):
        await workshop.put(sku, 0)
    refused(await member.post(f"/reorg/plans/{found['id']}/apply"), 409, "nothing to move")
    empty = await plan(member)
    assert (empty["moves"], empty["freed_boxes"]) == ([], [])
    refused(await member.post(f"/reorg/plans/{empty['id']}/apply"), 409, "nothing to move")


async def test_a_discarded_plan_is_not_applied_and_an_applied_one_not_discarded(
    member: AsyncClient, workshop: Workshop
) -> None:
    found = await plan(member)
    path = f"/reorg/plans/{found['id']}"
    for _ in range(2):
        assert (await member.delete(path)).status_code == 204
    assert (await get(member, path))["status"] == "discarded"
    refused(await member.post(f"{path}/apply"), 409, "was discarded")
    other = await plan(member)
    applied = await workshop.apply(other)
    refused(await member.delete(f"/reorg/plans/{other['id']}"), 409, "undo its batch")
    made(await member.post(f"/events/batches/{applied['batch_id']}/undo"))
    refused(await member.delete(f"/reorg/plans/{other['id']}"), 409, "was applied and undone", "stays as a record")
    assert (await get(member, f"/reorg/plans/{other['id']}"))["status"] == "undone"
    for answer in (
        await member.get("/reorg/plans/999"),
        await member.delete("/reorg/plans/999"),
        await member.post("/reorg/plans/999/apply"),
    ):
        refused(answer, 404, "plan 999")


async def test_a_plan_expires(member: AsyncClient, workshop: Workshop, config: Config) -> None:
    found = await plan(member, valid_days=1)
    assert found["expires_at"][:10] > found["created_at"][:10]
    await schema.run_beside(config, "UPDATE reorg_plan SET expires_at = '2026-01-01T00:00:00.000000Z'")
    assert (await get(member, f"/reorg/plans/{found['id']}"))["status"] == "expired"
    refused(await member.post(f"/reorg/plans/{found['id']}/apply"), 409, "has expired")
    await schema.run_beside(config, "UPDATE reorg_plan SET expires_at = '2020-01-01T00:00:00.000000Z'")
    assert (await plan(member))["move_count"] == 3
    assert len(await get(member, "/reorg/plans")) == 1, "what expired long ago is gone"
    assert await schema.run_beside(config, "SELECT count(*) FROM reorg_move") == [(3,)]


async def test_max_moves_limits_a_plan(member: AsyncClient, workshop: Workshop) -> None:
    found = await plan(member, max_moves=2)
    assert [(move["step"], move["name"]) for move in found["moves"]] == [(1, "Screws"), (1, "Screws")]
    assert (found["has_more"], found["freed_boxes"]) == (True, [])
    await workshop.apply(found)
    rest = await plan(member)
    assert [(move["name"], move["to_location"]["name"]) for move in rest["moves"]] == [("Nuts", "Box 1 / 3")]
    assert (rest["has_more"], rest["freed_boxes"]) == (False, [2])


async def test_items_are_grouped_by_type_and_tags(member: AsyncClient) -> None:
    first, second = await new_box(member, 4), await new_box(member, 4)
    kind = made(await member.post("/types/", json={"name": "Screws"}))
    screws = [await new_item(member, f"Screw {number}", type_id=kind["id"]) for number in range(3)]
    tagged = [await new_item(member, f"Lamp {number}", tags=["light"]) for number in range(3)]
    odd = await new_item(member, "Odd")
    for item, location in zip([*screws[:2], tagged[0]], first, strict=False):
        await new_stock(member, item, location, 1)
    for item, location in zip([screws[2], *tagged[1:], odd], second, strict=True):
        await new_stock(member, item, location, 1)
    found = await plan(member)
    assert {(move["name"], move["to_location"]["box_no"], move["reason"]) for move in found["moves"]} == {
        ("Screw 2", 1, "box 1 has 2 other things of type Screws"),
        ("Lamp 0", 2, "box 2 has 2 other things of tag light"),
    }
    await Workshop(member).apply(found)
    assert (await plan(member))["moves"] == []


async def test_frozen_items_stay_in_freezers(member: AsyncClient) -> None:
    chest, shelf = await new_location(member, "Chest", storage_type="freezer"), await new_location(member, "Shelf")
    peas = await new_item(member, "Peas", default_storage_type="freezer")
    await new_stock(member, peas, chest, 1)
    await new_stock(member, peas, shelf, 9)
    assert (await plan(member))["moves"] == []


async def test_number_of_open_plans_is_limited(member: AsyncClient, config: Config) -> None:
    found = await plan(member)
    columns = "status, max_moves, created_at, expires_at"
    for _ in range(49):
        await schema.run_beside(
            config,
            f"INSERT INTO reorg_plan ({columns}) SELECT {columns} FROM reorg_plan WHERE id = {found['id']}",
        )
    refused(await member.post("/reorg/plans"), 409, "50 plans", "discard")
    await member.delete(f"/reorg/plans/{found['id']}")
    await plan(member)


async def test_plan_of_a_killed_process_has_failed(member: AsyncClient, app: Litestar, config: Config) -> None:
    jobs: Jobs = app.state.jobs
    await jobs.close()
    started = (await member.post("/reorg/plans")).json()
    await schema.run_beside(
        config,
        "UPDATE job SET status = 'running', owner = 'gone', attempts = 2, lease_until = '2020-01-01 00:00:00+00:00'"
        f" WHERE id = {started['job_id']}",
    )
    await jobs._end_interrupted()
    assert (await get(member, f"/reorg/plans/{started['plan_id']}"))["status"] == "failed"


@pytest.mark.one_database
async def test_invalid_plan_is_rejected(member: AsyncClient) -> None:
    for field, value in [
        ("max_moves", 0),
        ("max_moves", 1001),
        ("valid_days", 0),
        ("valid_days", 91),
        ("valid_days", "x"),
    ]:
        problem = refused(await member.post("/reorg/plans", json={field: value}), 422)
        assert any(field in error["field"] for error in problem["errors"])
    assert await get(member, "/reorg/plans") == []


async def test_scans_during_apply_keep_every_total_correct(
    member: AsyncClient, workshop: Workshop, config: Config
) -> None:
    found = await plan(member)

    async def scan(number: int) -> None:
        location = [workshop.first[0], workshop.second[1], workshop.second[2]][number % 3]
        item = workshop.nuts if number % 3 == 2 else workshop.screws
        body = {"item_id": item["id"], "location_id": location["id"], "quantity": 1}
        made(await member.post("/skus/", json=body))

    results = await asyncio.gather(
        *(scan(number) for number in range(15)),
        member.post(f"/reorg/plans/{found['id']}/apply"),
        *(scan(number) for number in range(15)),
    )
    applied = made(results[15])
    assert applied["status"] == "applied"
    assert sum((await where(member, workshop.screws)).values()) == 509.5 + 20
    assert sum((await where(member, workshop.nuts)).values()) == 40 + 10
    assert await find_faults(config) == []
