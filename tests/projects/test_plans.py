"""Projects: requirements, missing quantities, and the shopping list for them."""

from __future__ import annotations

import asyncio

from httpx import AsyncClient

from tests.inventory import Json, get, made, new_item, new_stock, refused
from tests.projects.conftest import Bench
from tests.projects.plans import missing, new_project
from tests.shopping.lists import log_of, new_list, on, put_on


async def test_project_has_needed_and_available_quantities(member: AsyncClient, bench: Bench) -> None:
    project = await new_project(member, (bench.screw, 10.125), (bench.board, 1), ("Patience", 1), notes="Slowly")
    assert project == await get(member, f"/projects/{project['id']}")
    assert (project["name"], project["notes"], project["withdrawal"]) == ("Lamp", "Slowly", None)
    screws, board, patience = project["items"]
    assert screws["item"] == await get(member, f"/items/{bench.screw['id']}")
    assert (screws["quantity"], screws["in_stock"], screws["missing"]) == (10.125, 8.5, 1.625)
    assert (board["quantity"], board["in_stock"], board["missing"]) == (1, 1, 0)
    assert (patience["item"], patience["text"], patience["missing"]) == (None, "Patience", 1)
    assert await missing(member, project) == {"Screw": 1.625, "Patience": 1}
    await new_stock(member, bench.screw, bench.shelf, 1.625)
    assert await missing(member, project) == {"Patience": 1}


async def test_projects_are_listed_found_changed_and_deleted(member: AsyncClient, bench: Bench) -> None:
    lamp = await new_project(member, (bench.screw, 1))
    await new_project(member, name="Table", notes="Oak")
    projects = await get(member, "/projects/")
    assert [(each["name"], each["item_count"], each["is_withdrawn"]) for each in projects] == [
        ("Lamp", 1, False),
        ("Table", 0, False),
    ]
    assert await get(member, "/projects", skip=1, limit=1) == projects[1:]
    assert await get(member, "/projects", page=2, size=1) == projects[1:]
    assert await get(member, "/projects", search="OAK") == projects[1:]
    at = f"/projects/{lamp['id']}"
    for method in ("PUT", "PATCH"):
        changed = made(await member.request(method, at, json={"name": "Tall lamp"}))
        assert (changed["name"], changed["items"]) == ("Tall lamp", lamp["items"])
    assert made(await member.patch(at, json={"notes": "Warm light"}))["notes"] == "Warm light"
    assert made(await member.patch(at, json={"notes": None}))["name"] == "Tall lamp"
    assert (await member.delete(at)).status_code == 204
    refused(await member.get(at), 404, f"project with id {lamp['id']}")
    assert [each["name"] for each in await get(member, "/projects/")] == ["Table"]


async def test_requirements_are_added_changed_and_removed(member: AsyncClient, bench: Bench) -> None:
    project = await new_project(member)
    at = f"/projects/{project['id']}"
    added = made(await member.post(f"{at}/items", json={"item_id": bench.screw["id"], "quantity": 4}))
    assert (added["item"]["name"], added["quantity"], added["missing"]) == ("Screw", 4, 0)
    refused(await member.post(f"{at}/items", json={"item_id": bench.screw["id"]}), 409, "needs this item already")
    text = made(await member.post(f"{at}/items", json={"text": "Glue", "quantity": 0.5}))
    refused(await member.post(f"{at}/items", json={"text": "Glue"}), 409, "already")
    changed = made(await member.put(f"{at}/items/{bench.screw['id']}", json={"quantity": 9}))
    assert (changed["quantity"], changed["missing"]) == (9, 0.5)
    changed = made(await member.put(f"{at}/placeholders/{text['id']}", json={"text": "Wood glue"}))
    assert (changed["text"], changed["quantity"]) == ("Wood glue", 0.5)
    assert await missing(member, project) == {"Screw": 0.5, "Wood glue": 0.5}
    refused(await member.put(f"{at}/placeholders/{added['id']}", json={"quantity": 1}), 404, "placeholder")
    assert (await member.delete(f"{at}/items/{bench.screw['id']}")).status_code == 204
    refused(await member.delete(f"{at}/items/{bench.screw['id']}"), 404, str(bench.screw["id"]))
    assert (await member.delete(f"{at}/placeholders/{text['id']}")).status_code == 204
    assert (await get(member, at))["items"] == []


async def test_invalid_project_is_rejected_and_leaves_nothing(member: AsyncClient, bench: Bench) -> None:
    screw = {"item_id": bench.screw["id"]}
    for items, status, words in (
        ([screw, screw], 409, "needs this item already"),
        ([{"text": "Glue"}, {"text": "Glue"}], 409, "already"),
        ([screw, {"item_id": 999}], 404, "999"),
        ([{**screw, "text": "both"}], 422, "either the id of an item"),
        ([{**screw, "quantity": 0}], 422, "more than 0"),
        ([{**screw, "quantity": 1.0001}], 422, "three decimals"),
        ([{"text": str(number)} for number in range(1001)], 422, "1000"),
    ):
        refused(await member.post("/projects/", json={"name": "Lamp", "items": items}), status, words)
    refused(await member.post("/projects/", json={"name": "x" * 201}), 422, "name")
    refused(await member.post("/projects/", json={"name": "x", "notes": "x" * 4001}), 422, "notes")
    assert await get(member, "/projects/") == []


async def test_missing_items_are_put_on_a_new_list(member: AsyncClient, bench: Bench) -> None:
    project = await new_project(member, (bench.screw, 10), (bench.board, 1), ("Patience", 2))
    answer = made(await member.post(f"/projects/{project['id']}/shopping-list"))
    a_list = answer["shopping_list"]
    assert (a_list["name"], a_list["is_public"], a_list["creator"]["username"]) == ("Lamp", False, "member")
    assert answer["added"] == a_list["items"]
    assert answer["raised"] == []
    assert await on(member, a_list) == {"Screw": 1.5, "Patience": 2}
    (log, _) = await log_of(member, a_list, action_type="item_added")
    names = {"item_name": "Patience", "list_name": "Lamp"}
    assert log["details"] == names | {"text": "Patience", "quantity": 2, "project_id": project["id"], "project": "Lamp"}
    named = {"name": "For the lamp", "is_public": True}
    other = made(await member.post(f"/projects/{project['id']}/shopping-list", json=named))["shopping_list"]
    assert (other["name"], other["is_public"]) == ("For the lamp", True)
    at_hand = await new_project(member, (bench.board, 1))
    refused(await member.post(f"/projects/{at_hand['id']}/shopping-list"), 409, "Nothing is missing")
    assert (await get(member, "/shopping-lists/"))["total"] == 2


async def test_existing_list_gets_the_missing_quantity_once(member: AsyncClient, bench: Bench) -> None:
    a_list, nut = await new_list(member), await new_item(member, "Nut")
    await put_on(member, a_list, bench.screw, 0.5)
    await put_on(member, a_list, "Patience", 7)
    project = await new_project(member, (bench.screw, 10), ("Patience", 2), (nut, 3))
    path, body = f"/projects/{project['id']}/shopping-list", {"list_id": a_list["id"]}
    answers = await asyncio.gather(*(member.post(path, json=body) for _ in range(5)))
    assert await on(member, a_list) == {"Screw": 1.5, "Patience": 7, "Nut": 3}
    assert sum(len(made(answer)["added"]) for answer in answers) == 1
    assert sum(len(made(answer)["raised"]) for answer in answers) == 1
    refused(await member.post(path, json={"list_id": 999}), 404, "999")


async def test_projects_on_one_list_add_up(member: AsyncClient, bench: Bench) -> None:
    a_list, nut = await new_list(member), await new_item(member, "Nut")
    await put_on(member, a_list, nut, 1)
    await new_stock(member, nut, bench.shelf, 4)
    lamp = await new_project(member, (nut, 5), ("Patience", 2))
    shelf = await new_project(member, (nut, 7), ("Patience", 1))
    at_hand = await new_project(member, (nut, 2))

    async def put(project: Json) -> Json:
        return made(await member.post(f"/projects/{project['id']}/shopping-list", json={"list_id": a_list["id"]}))

    await put(lamp)
    assert await on(member, a_list) == {"Nut": 1, "Patience": 2}
    answer = await put(shelf)
    # Together they need 12, and 4 are in stock.
    assert await on(member, a_list) == {"Nut": 8, "Patience": 3}
    assert (len(answer["added"]), len(answer["raised"])) == (0, 2)
    for project in (lamp, shelf):
        again = await put(project)
        assert (again["added"], again["raised"]) == ([], [])
    copy = made(await member.post(f"/shopping-lists/{a_list['id']}/duplicate"))
    await put(lamp)
    assert await on(member, copy) == {"Nut": 8, "Patience": 3}
    # Alone it lacks nothing, but it needs 2 of the 4 in stock.
    assert len((await put(at_hand))["raised"]) == 1
    assert await on(member, a_list) == {"Nut": 10, "Patience": 3}
    for project in (lamp, shelf, at_hand):
        again = await put(project)
        assert (again["added"], again["raised"]) == ([], [])

    item = f"/shopping-lists/{a_list['id']}/items/{nut['id']}"
    made(await member.put(item, json={"quantity": 1}))
    assert (await member.delete(f"/projects/{lamp['id']}")).status_code == 204
    await put(shelf)
    assert await on(member, a_list) == {"Nut": 5, "Patience": 3}


async def test_list_of_another_user_is_not_filled(member: AsyncClient, admin: AsyncClient, bench: Bench) -> None:
    theirs = await new_list(admin, "Presents")
    project = await new_project(member, (bench.screw, 10))
    refused(await member.post(f"/projects/{project['id']}/shopping-list", json={"list_id": theirs["id"]}), 404)
    assert await on(admin, theirs) == {}
