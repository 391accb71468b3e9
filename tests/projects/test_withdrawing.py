"""Withdrawing a project: all or nothing, once, and undone as a whole."""

from __future__ import annotations

import asyncio

from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.inventory import get, made, new_item, new_location, new_stock, refused, total
from tests.projects.conftest import Bench
from tests.projects.plans import missing, new_project, stock


async def test_withdrawal_takes_from_all_locations(member: AsyncClient, bench: Bench, config: Config) -> None:
    project = await new_project(member, (bench.screw, 6.25), (bench.board, 1), ("Patience", 1))
    at = f"/projects/{project['id']}"
    answer = made(await member.post(f"{at}/withdraw"))
    assert answer["duplicate"] is False
    assert sorted((event["item_id"], event["delta"]) for event in answer["events"]) == [
        (bench.screw["id"], -5),
        (bench.screw["id"], -1.25),
        (bench.board["id"], -1),
    ]
    assert {(event["type"], event["batch_id"]) for event in answer["events"]} == {("remove", answer["batch_id"])}
    assert {event["note"] for event in answer["events"]} == {"For Lamp"}
    assert await stock(member, bench.screw) == {(bench.drawer["id"], None): 2.25}
    assert await stock(member, bench.board) == {}
    detail = await get(member, at)
    assert detail["withdrawal"]["batch_id"] == answer["batch_id"]
    assert detail["withdrawal"]["user"]["username"] == "member"
    assert await missing(member, project) == {}
    assert (await get(member, "/projects/"))[0]["is_withdrawn"] is True
    assert await find_faults(config) == []


async def test_members_see_no_email_address_of_who_withdrew(
    member: AsyncClient, admin: AsyncClient, bench: Bench
) -> None:
    project = await new_project(member, (bench.screw, 1))
    made(await admin.post(f"/projects/{project['id']}/withdraw"))
    seen = []
    for client in (member, admin):
        user = (await get(client, f"/projects/{project['id']}"))["withdrawal"]["user"]
        seen.append((user["username"], user["email"], user["role"]))
    assert seen == [("admin", None, None), ("admin", "admin@example.org", "admin")]


async def test_withdrawal_takes_the_earliest_expiry_first(member: AsyncClient, bench: Bench) -> None:
    flour = await new_item(member, "Flour")
    await new_stock(member, flour, bench.shelf, 2)
    await new_stock(member, flour, bench.shelf, 2, expiry_date="2031-01-01")
    await new_stock(member, flour, bench.drawer, 2, expiry_date="2030-01-01")
    await new_stock(member, flour, bench.drawer, 2, expiry_date="2032-01-01")
    made(await member.post(f"/projects/{(await new_project(member, (flour, 5)))['id']}/withdraw"))
    assert await stock(member, flour) == {
        (bench.shelf["id"], None): 2,
        (bench.drawer["id"], "2032-01-01"): 1,
    }


async def test_undoing_the_batch_returns_everything(member: AsyncClient, bench: Bench, config: Config) -> None:
    before = [await stock(member, item) for item in (bench.screw, bench.board)]
    project = await new_project(member, (bench.screw, 6), (bench.board, 1))
    at = f"/projects/{project['id']}"
    planned = await get(member, at)
    batch = made(await member.post(f"{at}/withdraw"))["batch_id"]
    refused(await member.post(f"{at}/withdraw"), 409, "withdrawn", batch)
    made(await member.post(f"/events/batches/{batch}/undo"))
    assert [await stock(member, item) for item in (bench.screw, bench.board)] == before
    after = await get(member, at)
    assert after["withdrawal"] is None
    assert [(each["quantity"], each["in_stock"], each["missing"]) for each in after["items"]] == [
        (each["quantity"], each["in_stock"], each["missing"]) for each in planned["items"]
    ]
    again = made(await member.post(f"{at}/withdraw"))["batch_id"]
    assert again != batch
    assert (await get(member, at))["withdrawal"]["batch_id"] == again
    assert await find_faults(config) == []


async def test_partly_undone_withdrawal_is_still_active(member: AsyncClient, bench: Bench) -> None:
    project = await new_project(member, (bench.screw, 6), (bench.board, 1))
    at = f"/projects/{project['id']}"
    answer = made(await member.post(f"{at}/withdraw"))
    board = next(event for event in answer["events"] if event["item_id"] == bench.board["id"])
    made(await member.post(f"/events/{board['id']}/undo"))
    assert (await get(member, at))["withdrawal"]["batch_id"] == answer["batch_id"]
    made(await member.post(f"/events/batches/{answer['batch_id']}/undo"))
    assert (await get(member, at))["withdrawal"] is None


async def test_shortage_takes_nothing_and_lists_what_is_missing(
    member: AsyncClient, bench: Bench, config: Config
) -> None:
    nut = await new_item(member, "Nut", oversell_policy="allow")
    clip = await new_item(member, "Clip", oversell_policy="clamp")
    await new_stock(member, clip, bench.shelf, 1)
    project = await new_project(member, (bench.board, 1), (bench.screw, 9), (nut, 3), (clip, 1.5), ("Patience", 1))
    problem = refused(
        await member.post(f"/projects/{project['id']}/withdraw"), 409, "Nothing was taken", "0.5 of Screw", "3 of Nut"
    )
    assert problem["results"] == [
        {
            "item_id": item["id"],
            "code": item["code"],
            "name": item["name"],
            "quantity": quantity,
            "in_stock": there,
            "missing": lacking,
        }
        for item, quantity, there, lacking in ((bench.screw, 9, 8.5, 0.5), (nut, 3, 0, 3), (clip, 1.5, 1, 0.5))
    ]
    assert (await total(member, bench.board), await total(member, bench.screw)) == (1, 8.5)
    assert (await get(member, f"/projects/{project['id']}"))["withdrawal"] is None
    events = (await get(member, "/events/"))["events"]
    assert {event["type"] for event in events} == {"add"}
    assert await find_faults(config) == []


async def test_a_withdrawal_sent_twice_counts_once(member: AsyncClient, bench: Bench, config: Config) -> None:
    project = await new_project(member, (bench.screw, 2), (bench.board, 1))
    path, body = f"/projects/{project['id']}/withdraw", {"event_id": "build", "note": "Built"}
    answers = [made(each) for each in await asyncio.gather(*(member.post(path, json=body) for _ in range(6)))]
    assert sorted(each["duplicate"] for each in answers) == [False] + [True] * 5
    assert len({each["batch_id"] for each in answers}) == 1
    first = next(each for each in answers if not each["duplicate"])
    assert all(each["events"] == first["events"] for each in answers)
    assert await total(member, bench.screw) == 6.5
    # Also after it was undone: a repeated build needs a new event_id.
    made(await member.post(f"/events/batches/{first['batch_id']}/undo"))
    assert made(await member.post(path, json=body))["duplicate"] is True
    assert await total(member, bench.screw) == 8.5
    refused(await member.post(path, json={**body, "note": "Another"}), 409, "build")
    other = await new_project(member, (bench.screw, 1))
    refused(await member.post(f"/projects/{other['id']}/withdraw", json=body), 409, "build")
    sent = {"type": "add", "item": {"id": bench.screw["id"]}, "location": {"id": 1}, "quantity": 1, "event_id": "e"}
    made(await member.post("/events", json={"events": [sent]}))
    refused(await member.post(path, json={"event_id": "e"}), 409, "already used")
    assert await total(member, bench.screw) == 9.5
    assert await find_faults(config) == []


async def test_rejected_withdrawal_succeeds_later_with_the_same_event_id(member: AsyncClient, bench: Bench) -> None:
    project = await new_project(member, (bench.screw, 9))
    path, body = f"/projects/{project['id']}/withdraw", {"event_id": "build"}
    refused(await member.post(path, json=body), 409, "0.5 of Screw")
    await new_stock(member, bench.screw, bench.shelf, 0.5)
    assert made(await member.post(path, json=body))["duplicate"] is False
    assert await total(member, bench.screw) == 0


async def test_concurrent_withdrawals_count_once(
    member: AsyncClient, admin: AsyncClient, bench: Bench, config: Config
) -> None:
    project = await new_project(member, (bench.screw, 2), (bench.board, 0.125))
    path = f"/projects/{project['id']}/withdraw"
    answers = await asyncio.gather(*(client.post(path) for client in (member, admin) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert (await total(member, bench.screw), await total(member, bench.board)) == (6.5, 0.875)
    assert await find_faults(config) == []


async def test_projects_sharing_items_never_take_more_than_in_stock(
    member: AsyncClient, scanner: AsyncClient, bench: Bench, config: Config
) -> None:
    await new_stock(member, bench.board, bench.shelf, 3)
    projects = [
        await new_project(member, *(needs if number % 2 else reversed(needs)))
        for number in range(6)
        for needs in [((bench.screw, 2.5), (bench.board, 1))]
    ]

    async def scan() -> None:
        for _ in range(5):
            events = [
                {"type": "move", "item": {"id": item["id"]}, "quantity": 0.5, "location": {"id": here["id"]},
                 "to_location": {"id": there["id"]}}
                for item in (bench.board, bench.screw)
                for here, there in ((bench.shelf, bench.drawer), (bench.drawer, bench.shelf))
            ]  # fmt: skip
            made(await scanner.post("/events", json={"events": events}))

    *answers, _ = await asyncio.gather(
        *(member.post(f"/projects/{project['id']}/withdraw") for project in projects), scan()
    )
    # 8.5 screws make three lamps.
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 3
    assert (await total(member, bench.screw), await total(member, bench.board)) == (1, 1)
    assert await find_faults(config) == []


async def test_withdrawn_project_cannot_be_changed(member: AsyncClient, bench: Bench) -> None:
    project = await new_project(member, (bench.screw, 2), ("Glue", 1))
    at = f"/projects/{project['id']}"
    batch = made(await member.post(f"{at}/withdraw"))["batch_id"]
    glue = project["items"][1]["id"]
    for method, path, body in (
        ("POST", "/items", {"item_id": bench.board["id"]}),
        ("PUT", f"/items/{bench.screw['id']}", {"quantity": 3}),
        ("DELETE", f"/items/{bench.screw['id']}", None),
        ("PUT", f"/placeholders/{glue}", {"quantity": 3}),
        ("DELETE", f"/placeholders/{glue}", None),
    ):
        refused(await member.request(method, at + path, json=body), 409, "undo the batch", batch)
    refused(await member.post(f"{at}/shopping-list"), 409, "Nothing is missing")
    assert made(await member.patch(at, json={"name": "The lamp"}))["name"] == "The lamp"
    made(await member.post(f"/events/batches/{batch}/undo"))
    assert made(await member.put(f"{at}/items/{bench.screw['id']}", json={"quantity": 3}))["quantity"] == 3


async def test_project_of_placeholders_cannot_be_withdrawn(member: AsyncClient) -> None:
    for needs in ((), (("Patience", 1),)):
        project = await new_project(member, *needs)
        refused(await member.post(f"/projects/{project['id']}/withdraw"), 409, "needs no items")


async def test_negative_stock_elsewhere_does_not_reduce_available_stock(member: AsyncClient) -> None:
    nut = await new_item(member, "Nut", oversell_policy="allow")
    shelf, drawer = await new_location(member), await new_location(member, "Drawer")
    await new_stock(member, nut, shelf, 4)
    taken = {"type": "remove", "item": {"id": nut["id"]}, "location": {"id": drawer["id"]}, "quantity": 2}
    made(await member.post("/events", json={"events": [taken]}))
    project = await new_project(member, (nut, 4))
    assert await missing(member, project) == {}
    made(await member.post(f"/projects/{project['id']}/withdraw"))
    assert await stock(member, nut) == {(drawer["id"], None): -2}
