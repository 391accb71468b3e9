"""Every change of users and keys is audited, and the audit has no secrets."""

from __future__ import annotations

from typing import Any

from httpx import AsyncClient
from litestar import Litestar

from stocky.auth.credentials import Passwords
from stocky.auth.repository import find_password_hash
from stocky.logs.audit import AuditEntry, AuditFilter, list_audit_entries
from tests.auth.conftest import SignIn, bearer
from tests.people import PASSWORD

GIVEN = ["difference engine", "analytical engine", "an even better one"]


async def test_changes_of_users_and_keys_are_audited_without_secrets(
    client: AsyncClient, admin: AsyncClient, signed_in_admin: AsyncClient, app: Litestar, sign_in: SignIn
) -> None:
    admin_id = (await admin.get("/auth/me")).json()["id"]
    since = (await _entries(app))[0].id
    ada = {"username": "ada", "email": "ada@example.org", "password": GIVEN[0]}
    id = (await admin.post("/users/", json=ada, headers={"X-Request-ID": "the-first"})).json()["id"]
    await signed_in_admin.put(f"/users/{id}", json={"role": "read_only", "password": GIVEN[1]})
    headers = bearer((await sign_in("ada", GIVEN[1]))["access_token"])
    change = {"current_password": GIVEN[1], "new_password": GIVEN[2]}
    await client.post("/auth/change-password", json=change, headers=headers)
    keys = [(await client.post("/auth/generate-api-key", headers=headers)).json()["api_key"] for _ in range(2)]
    named = (await admin.post(f"/users/{id}/api-keys", json={"name": "door"})).json()
    await admin.delete(f"/users/{id}")
    entries = [entry for entry in reversed(await _entries(app)) if entry.id > since]
    assert [(entry.user_id, entry.action, entry.subject) for entry in entries] == [
        (admin_id, "created", "user"),
        (admin_id, "changed", "user"),
        (id, "changed", "user"),
        (id, "created", "api_key"),
        (id, "revoked", "api_key"),
        (id, "created", "api_key"),
        (admin_id, "created", "api_key"),
        (admin_id, "revoked", "api_key"),
        (admin_id, "revoked", "api_key"),
        (admin_id, "removed", "user"),
    ]
    assert entries[0].request_id == "the-first"
    assert entries[1].details == {"role": "read_only", "password": "changed"}
    recorded = str(entries)
    async with app.state.database.read() as read:
        stored = await find_password_hash(read, id)
    for secret in [*GIVEN, PASSWORD, stored, *keys, named["api_key"], keys[0].split("_", 2)[2]]:
        assert secret not in recorded


async def test_rejected_changes_are_not_audited(
    admin: AsyncClient, signed_in_admin: AsyncClient, app: Litestar
) -> None:
    own = (await admin.get("/auth/me")).json()["id"]
    before = await _entries(app)
    assert (await signed_in_admin.put(f"/users/{own}", json={"role": "member"})).status_code == 409
    other = next(user["id"] for user in (await admin.get("/users/")).json() if user["username"] == "reader")
    assert (await admin.put(f"/users/{other}", json={"username": "member"})).status_code == 400
    assert await _entries(app) == before


async def test_passwords_are_stored_as_argon2id(admin: AsyncClient, app: Litestar) -> None:
    ada = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    id = (await admin.post("/users/", json=ada)).json()["id"]
    async with app.state.database.read() as read:
        stored = await find_password_hash(read, id)
    assert stored is not None
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    passwords = Passwords()
    assert await passwords.fits(PASSWORD, stored)
    assert not await passwords.fits(PASSWORD, None)
    passwords.close()


async def _entries(app: Litestar) -> list[AuditEntry]:
    async with app.state.database.read() as read:
        return await list_audit_entries(read, AuditFilter(), skip=0, limit=1000)


async def test_audit_entries_are_filtered(app: Litestar, admin: AsyncClient) -> None:
    await admin.post("/api-keys", json={"name": "door"})
    newest = (await _entries(app))[0]
    wanted: list[dict[str, Any]] = [
        {"user_id": newest.user_id},
        {"action": "created", "subject": "api_key", "subject_id": newest.subject_id},
        {"since": newest.occurred_at},
    ]
    async with app.state.database.read() as read:
        for each in wanted:
            assert await list_audit_entries(read, AuditFilter(**each), skip=0, limit=10) == [newest]
        assert newest not in await list_audit_entries(read, AuditFilter(until=newest.occurred_at), skip=0, limit=10)
