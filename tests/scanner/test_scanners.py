"""Managing scanners: their state, their users, and when they were last seen."""

from __future__ import annotations

from httpx import AsyncClient

from tests.inventory import get, made, new_location, refused
from tests.scanner.conftest import Scan

STATE = {"scanner_id", "is_associated", "associated_user", "last_seen", "mode", "location_id"}


async def test_unknown_scanner_has_mode_add_and_no_location(scanner: AsyncClient) -> None:
    status = await get(scanner, "/scanner/status/new%20one")
    assert set(status) >= STATE
    assert status["scanner_id"] == "new one"
    assert (status["mode"], status["location_id"], status["last_seen"]) == ("add", None, None)
    assert (status["is_associated"], status["associated_user"]) == (False, None)
    assert await get(scanner, "/scanner/") == []


async def test_state_is_set_and_reset(member: AsyncClient, scanner: AsyncClient) -> None:
    shelf = await new_location(member)
    both = made(await scanner.put("/scanner/s1/state", json={"mode": "Count", "location_id": shelf["id"]}))
    assert (both["mode"], both["location_id"], both["location_name"]) == ("count", shelf["id"], "Shelf")
    only_mode = made(await scanner.put("/scanner/s1/state", json={"mode": "move"}))
    assert (only_mode["mode"], only_mode["location_id"]) == ("move", shelf["id"])
    assert made(await scanner.put("/scanner/s1/state", json={"location_id": None}))["location_id"] is None
    made(await scanner.put("/scanner/s1/state", json={"location_id": shelf["id"]}))
    for path in ("/scanner/reset/s1", "/scanner/reset/s1/"):
        fresh = made(await scanner.post(path))
        assert (fresh["mode"], fresh["location_id"]) == ("add", None)
    refused(await scanner.put("/scanner/s1/state", json={"location_id": 999}), 404, "999")
    refused(await scanner.put("/scanner/s1/state", json={"mode": "fly"}), 422, "mode")
    assert (await get(scanner, "/scanner/status/s1"))["mode"] == "add"


async def test_inactive_location_is_cleared_from_scanners(member: AsyncClient, scanner: AsyncClient) -> None:
    shelf = await new_location(member)
    made(await scanner.put("/scanner/s1/state", json={"location_id": shelf["id"]}))
    await member.delete(f"/locations/{shelf['id']}")
    assert (await get(scanner, "/scanner/status/s1"))["location_id"] is None
    refused(await scanner.put("/scanner/s2/state", json={"location_id": shelf["id"]}), 404)


async def test_scanner_is_associated_with_a_user(member: AsyncClient) -> None:
    me = await get(member, "/auth/me")
    state = made(await member.post("/scanner/associate", json={"scanner_id": "s1", "user_id": me["id"]}))
    assert (state["is_associated"], state["associated_user"]) == (True, "member")
    made(await member.put("/scanner/s2/state", json={"mode": "add"}))
    assert [each["scanner_id"] for each in await get(member, "/scanner/associations")] == ["s1"]
    assert [each["scanner_id"] for each in await get(member, "/scanner/")] == ["s1", "s2"]
    answer = await member.delete("/scanner/associate/s1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert await get(member, "/scanner/associations") == []
    refused(await member.post("/scanner/associate", json={"scanner_id": "s1", "user_id": 999}), 404, "999")


async def test_last_seen_is_stored(member: AsyncClient, scanner: AsyncClient, scan: Scan) -> None:
    alive = made(await scanner.post("/scanner/activity", json={"scanner_id": "s1"}))
    assert alive["last_seen"].endswith("Z")
    assert (await get(scanner, "/scanner/status"))["scanner_id"] == "s1"
    await scan("12345678", scanner_id="s2")
    own = await get(scanner, "/scanner/status")
    assert (own["scanner_id"], own["last_scan"]) == ("s2", "12345678")
    assert (await get(member, "/scanner/status"))["last_seen"] is None, "a member has not used one yet"


async def test_scanners_are_paged(scanner: AsyncClient) -> None:
    for name in ("c", "a", "b"):
        made(await scanner.post("/scanner/activity", json={"scanner_id": name}))
    for query, names in (({}, ["a", "b", "c"]), ({"skip": 1, "limit": 1}, ["b"]), ({"page": 2, "size": 2}, ["c"])):
        assert [each["scanner_id"] for each in await get(scanner, "/scanner/", **query)] == names, query
    refused(await scanner.get("/scanner/", params={"limit": 1001}), 422, "limit")
