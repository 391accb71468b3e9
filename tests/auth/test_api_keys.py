"""API keys are created, listed and revoked; only their hashes are stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from httpx import AsyncClient

Keys = dict[str, str]


async def test_generated_key_replaces_the_previous_one(client: AsyncClient, member: AsyncClient) -> None:
    named = (await member.post("/api-keys", json={"name": "door"})).json()["api_key"]
    answers = [await member.post("/auth/generate-api-key") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert set(answers[0].json()) == {"message", "api_key", "note"}
    first, second = (answer.json()["api_key"] for answer in answers)
    assert [await _works(client, key) for key in (first, second, named)] == [False, True, True]
    assert (await member.delete("/auth/revoke-api-key")).status_code == 200
    assert not await _works(client, second)
    again = await member.delete("/auth/revoke-api-key")
    assert (again.status_code, "no API key" in again.json()["message"]) == (200, True)
    assert await _works(client, named)


async def test_named_key_is_shown_once_and_listed_without_its_secret(member: AsyncClient) -> None:
    expires_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    created = await member.post("/api-keys/", json={"name": "door", "expires_at": expires_at})
    assert created.status_code == 201
    key = created.json().pop("api_key")
    assert key.startswith(f"stk_{created.json()['prefix']}_")
    assert len(key) >= 4 + 8 + 1 + 43
    listed = await member.get("/api-keys")
    assert [each["name"] for each in listed.json()] == ["tests", "door"]
    assert key.removeprefix(f"stk_{created.json()['prefix']}_") not in listed.text


async def test_revoked_key_is_rejected_at_the_next_request(client: AsyncClient, member: AsyncClient) -> None:
    created = (await member.post("/api-keys", json={"name": "door"})).json()
    assert await _works(client, created["api_key"])
    assert (await member.delete(f"/api-keys/{created['id']}")).status_code == 204
    assert not await _works(client, created["api_key"])
    assert (await member.delete(f"/api-keys/{created['id']}")).status_code == 404


async def test_a_key_can_revoke_itself(client: AsyncClient, member: AsyncClient, keys: Keys) -> None:
    own = (await member.get("/api-keys")).json()[0]["id"]
    assert (await member.delete(f"/api-keys/{own}")).status_code == 204
    assert not await _works(client, keys["member"])


async def test_expired_key_is_rejected(client: AsyncClient, member: AsyncClient, statement: Any) -> None:
    created = (await member.post("/api-keys", json={"name": "door"})).json()
    soon = datetime.now(UTC) + timedelta(milliseconds=400)
    await statement("UPDATE api_key SET expires_at = :soon WHERE id = :id", soon=soon, id=created["id"])
    assert await _works(client, created["api_key"])
    while datetime.now(UTC) < soon:
        pass
    assert not await _works(client, created["api_key"])


async def test_malformed_key_is_rejected(client: AsyncClient, keys: Keys) -> None:
    prefix = keys["member"].split("_")[1]
    for key in ("", "stk", "stk_", "stk__", "x" * 5000, f"stk_{prefix}_", f"stk_{prefix}_x", f"key_{prefix}_x", "\xff"):
        answer = await client.get("/auth/me", headers={"X-API-Key": key.encode("latin-1")})
        assert answer.status_code == 401, key
        assert answer.json()["detail"] == "The API key is invalid or has expired"


async def test_invalid_key_is_not_created(member: AsyncClient) -> None:
    wrong = {
        "name": [{}, {"name": ""}, {"name": "x" * 101}],
        "expires_at": [{"name": "x", "expires_at": "2001-01-01T00:00:00Z"}, {"name": "x", "expires_at": "tomorrow"}],
    }
    for field, bodies in wrong.items():
        for body in bodies:
            answer = await member.post("/api-keys", json=body)
            assert answer.status_code == 422, body
            assert answer.json()["errors"][0]["field"] == field
    assert len((await member.get("/api-keys")).json()) == 1


async def test_only_admins_manage_keys_of_others(client: AsyncClient, admin: AsyncClient, member: AsyncClient) -> None:
    user_id = (await member.get("/auth/me")).json()["id"]
    path = f"/users/{user_id}/api-keys"
    assert (await member.get(path)).status_code == 403
    assert (await member.post(path, json={"name": "x"})).status_code == 403
    created = await admin.post(path, json={"name": "door"})
    assert (created.status_code, created.json()["user_id"]) == (201, user_id)
    assert await _works(client, created.json()["api_key"])
    assert [key["name"] for key in (await admin.get(path)).json()] == ["tests", "door"]
    assert (await admin.delete(f"/api-keys/{created.json()['id']}")).status_code == 404
    assert (await admin.delete(f"{path}/{created.json()['id']}")).status_code == 204
    assert not await _works(client, created.json()["api_key"])
    assert (await admin.get("/users/4711/api-keys")).status_code == 404
    assert (await admin.post("/users/4711/api-keys", json={"name": "x"})).status_code == 404


async def _works(client: AsyncClient, key: str) -> bool:
    return (await client.get("/auth/me", headers={"X-API-Key": key})).status_code == 200


async def test_key_cannot_create_a_longer_lived_key(client: AsyncClient, member: AsyncClient) -> None:
    own = {"name": "for a day", "expires_at": "2099-01-01T00:00:00Z"}
    key = (await member.post("/api-keys", json=own)).json()["api_key"]
    headers = {"X-API-Key": key}
    for body in ({"name": "for ever"}, {"name": "longer", "expires_at": "2099-01-01T00:00:01Z"}):
        answer = await client.post("/api-keys", json=body, headers=headers)
        assert answer.status_code == 403
        assert "2099-01-01T00:00:00Z" in answer.json()["detail"]
    assert (await client.post("/auth/generate-api-key", headers=headers)).status_code == 403
    assert (await client.post("/api-keys", json={**own, "name": "as long"}, headers=headers)).status_code == 201
