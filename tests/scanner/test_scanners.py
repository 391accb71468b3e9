"""Managing scanners: their state, their users, and when they were last seen."""

from __future__ import annotations

import logging

import pytest
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


async def test_scanner_is_associated_with_a_user(member: AsyncClient, admin: AsyncClient) -> None:
    me, other = await get(member, "/auth/me"), await get(admin, "/auth/me")
    for named, user in (
        ({"user_id": me["id"]}, me),
        ({"user_id": "ADMIN"}, other),
        ({"user_id": str(me["id"])}, me),
        ({}, me),
        ({"user_id": None}, me),
    ):
        state = made(await member.post("/scanner/associate", json={"scanner_id": "s1", **named}))
        assert (state["is_associated"], state["associated_user"]) == (True, user["username"])
        assert (state["scanner_id"], state["user_id"]) == ("s1", user["id"])
        assert state["message"] == f"Scanner s1 is associated with {user['username']}"
    made(await member.put("/scanner/s2/state", json={"mode": "add"}))
    made(await member.post("/scanner/associate", json={"scanner_id": "s0"}))
    listed = await get(member, "/scanner/associations")
    assert (list(listed["associations"]), listed["count"]) == (["s0", "s1"], 2)
    assert listed["associations"]["s1"] == await get(member, "/scanner/status/s1")
    page = await get(member, "/scanner/associations", skip=1, limit=1)
    assert (list(page["associations"]), page["count"]) == (["s1"], 2)
    assert [each["scanner_id"] for each in await get(member, "/scanner/")] == ["s0", "s1", "s2"]
    for name in ("s0", "s1"):
        ended = made(await member.delete(f"/scanner/associate/{name}"))
        assert ended == {"message": f"Scanner {name} is no longer associated", "scanner_id": name}
    assert await get(member, "/scanner/associations") == {"associations": {}, "count": 0}
    for name in ("s1", "s2", "never seen"):
        refused(await member.delete(f"/scanner/associate/{name}"), 404, name)
    assert [each["scanner_id"] for each in await get(member, "/scanner/")] == ["s0", "s1", "s2"]
    refused(await member.post("/scanner/associate", json={"scanner_id": "s1", "user_id": 999}), 404, "999")
    for name in ("nobody", "999", "9" * 20):
        refused(await member.post("/scanner/associate", json={"scanner_id": "s1", "user_id": name}), 404, name)
    refused(await member.post("/scanner/associate", json={"scanner_id": "s1", "user_id": 0}), 422, "user_id")


async def test_activity_is_logged(scanner: AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    own = f"user-{(await get(scanner, '/auth/me'))['id']}"
    with caplog.at_level(logging.INFO, "stocky.scanner.handlers"):
        state = made(await scanner.post("/scanner/activity", json={"action": "charged", "details": {"percent": 80}}))
        made(await scanner.post("/scanner/activity", json={"scanner_id": "s1", "action": "slept", "details": "long"}))
        made(await scanner.post("/scanner/activity", json={"scanner_id": "s1"}))
    assert (state["scanner_id"], state["last_seen"] is not None) == (own, True)
    records = [record for record in caplog.records if record.name == "stocky.scanner.handlers"]
    logged = [(record.getMessage(), vars(record)["details"]) for record in records]
    assert logged == [(f"Scanner {own}: charged", {"percent": 80}), ("Scanner s1: slept", "long")]
    for wrong in ({"action": "x" * 201}, {"details": "x" * 4001}, {"details": {"a": "x" * 4000}}, {"details": 7}):
        refused(await scanner.post("/scanner/activity", json={"action": "a", **wrong}), 422, *wrong)
    refused(await scanner.post("/scanner/activity", json={}), 422, "scanner_id", "action")


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
