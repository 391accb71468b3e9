"""Access by role for every route; a route that is not in the table fails the test."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from httpx import ASGITransport, AsyncClient, Response
from litestar import Litestar

from tests.api.routes import API, BODIES, Route, address, pages, routes
from tests.conftest import ORIGIN, SECRET_KEY
from tests.inventory import get, made, refused
from tests.people import PASSWORD, ROLES

EVERYONE, READERS, SCANNERS, MEMBERS, ADMINS = (
    frozenset(["nobody", "reader", "scanner", "member", "admin"]),
    frozenset(["reader", "scanner", "member", "admin"]),
    frozenset(["scanner", "member", "admin"]),
    frozenset(["member", "admin"]),
    frozenset(["admin"]),
)
ACCESS = {
    # Signing in and out needs no credentials.
    "POST /auth/login": EVERYONE,
    "POST /auth/login-json": EVERYONE,
    "POST /auth/refresh": EVERYONE,
    "POST /auth/logout": EVERYONE,
    "GET /auth/me": READERS,
    "POST /auth/change-password": READERS,
    "POST /auth/generate-api-key": READERS,
    "DELETE /auth/revoke-api-key": READERS,
    "GET /users": ADMINS,
    "POST /users": ADMINS,
    # Only their own account; see below.
    "GET /users/{user_id:int}": READERS,
    "PUT /users/{user_id:int}": READERS,
    "DELETE /users/{user_id:int}": ADMINS,
    "GET /api-keys": READERS,
    "POST /api-keys": READERS,
    "DELETE /api-keys/{key_id:int}": READERS,
    "GET /users/{user_id:int}/api-keys": ADMINS,
    "POST /users/{user_id:int}/api-keys": ADMINS,
    "DELETE /users/{user_id:int}/api-keys/{key_id:int}": ADMINS,
    "GET /items": READERS,
    "POST /items": MEMBERS,
    "GET /items/search": READERS,
    "GET /items/upc/{upc:str}": READERS,
    "GET /items/code/{code:str}": READERS,
    "GET /items/{item_id:int}": READERS,
    "PUT /items/{item_id:int}": MEMBERS,
    "PATCH /items/{item_id:int}": MEMBERS,
    "DELETE /items/{item_id:int}": MEMBERS,
    "POST /items/{item_id:int}/barcodes": MEMBERS,
    "DELETE /items/{item_id:int}/barcodes/{barcode:str}": MEMBERS,
    "GET /items/{item_id:int}/events": READERS,
    "POST /items/{item_id:int}/refresh-upc": MEMBERS,
    "POST /items/refresh-upc-missing": MEMBERS,
    "GET /items/{item_id:int}/qr": SCANNERS,
    **{
        f"GET {path}": READERS for path in ("/types", "/types/{type_id:int}", "/tags", "/tags/{tag_id:int}", "/sellers")
    },
    "GET /types/{type_id:int}/fields": READERS,
    "POST /types/{type_id:int}/fields": MEMBERS,
    **{
        f"{method} /types/{{type_id:int}}/fields/{{field_id:int}}": READERS if method == "GET" else MEMBERS
        for method in ("GET", "PUT", "PATCH", "DELETE")
    },
    **{
        f"{method} {path}": MEMBERS
        for method, path in [
            *(("POST", path) for path in ("/types", "/tags")),
            *(
                (verb, path)
                for path in ("/types/{type_id:int}", "/tags/{tag_id:int}")
                for verb in ("PUT", "PATCH", "DELETE")
            ),
        ]
    },
    "GET /items/review": READERS,
    "GET /items/review/barcodes": READERS,
    "GET /items/{item_id:int}/merges": READERS,
    "GET /items/{item_id:int}/prices": READERS,
    "POST /items/{item_id:int}/prices": MEMBERS,
    "GET /prices/{price_id:int}": READERS,
    "PATCH /prices/{price_id:int}": MEMBERS,
    "DELETE /prices/{price_id:int}": MEMBERS,
    "GET /stock-value": READERS,
    "GET /stock-value/items": READERS,
    "GET /stock-value/locations": READERS,
    "POST /items/{item_id:int}/merge": MEMBERS,
    "POST /items/{item_id:int}/unmerge": MEMBERS,
    "GET /search": READERS,
    "GET /locations": READERS,
    "POST /locations": MEMBERS,
    "GET /locations/search": READERS,
    "GET /locations/duplicates": READERS,
    "GET /labels": MEMBERS,
    "GET /labels/sheets": READERS,
    "PUT /labels/sheets/{name:str}": MEMBERS,
    "DELETE /labels/sheets/{name:str}": MEMBERS,
    "GET /settings/measure-rules/presets": ADMINS,
    "POST /settings/measure-rules/try": ADMINS,
    "GET /settings/measure-rules/barcodes": ADMINS,
    "POST /settings/measure-rules/barcodes": ADMINS,
    "GET /locations/name/{name:str}": READERS,
    "GET /locations/{location_id:int}": READERS,
    "PUT /locations/{location_id:int}": MEMBERS,
    "PATCH /locations/{location_id:int}": MEMBERS,
    "DELETE /locations/{location_id:int}": MEMBERS,
    "GET /locations/{location_id:int}/qr": SCANNERS,
    "GET /boxes": READERS,
    "POST /boxes": MEMBERS,
    "GET /boxes/{box_no:int}": READERS,
    "PUT /boxes/{box_no:int}": MEMBERS,
    "PATCH /boxes/{box_no:int}": MEMBERS,
    "DELETE /boxes/{box_no:int}": MEMBERS,
    "GET /boxes/{box_no:int}/places": READERS,
    "GET /boxes/{box_no:int}/labels": SCANNERS,
    "POST /reorg/plans": MEMBERS,
    "GET /reorg/plans": MEMBERS,
    "GET /reorg/plans/{plan_id:int}": MEMBERS,
    "POST /reorg/plans/{plan_id:int}/apply": MEMBERS,
    "DELETE /reorg/plans/{plan_id:int}": MEMBERS,
    "GET /skus": READERS,
    "POST /skus": MEMBERS,
    "GET /skus/search": READERS,
    "GET /skus/low-stock": READERS,
    "GET /skus/{sku_id:int}": READERS,
    "PUT /skus/{sku_id:int}": MEMBERS,
    "PATCH /skus/{sku_id:int}": MEMBERS,
    "DELETE /skus/{sku_id:int}": MEMBERS,
    "PUT /skus/{sku_id:int}/quantity": MEMBERS,
    "POST /skus/{sku_id:int}/adjust": MEMBERS,
    "POST /skus/{sku_id:int}/open": MEMBERS,
    "GET /loans": READERS,
    "POST /loans": MEMBERS,
    "GET /loans/{loan_id:int}": READERS,
    "PUT /loans/{loan_id:int}": MEMBERS,
    "PATCH /loans/{loan_id:int}": MEMBERS,
    "POST /loans/{loan_id:int}/return": MEMBERS,
    "GET /scanner": SCANNERS,
    "POST /scanner/scan": SCANNERS,
    "GET /scanner/status": SCANNERS,
    "GET /scanner/status/{scanner_id:str}": SCANNERS,
    "PUT /scanner/{scanner_id:str}/state": SCANNERS,
    "POST /scanner/reset/{scanner_id:str}": SCANNERS,
    "POST /scanner/associate": MEMBERS,
    "DELETE /scanner/associate/{scanner_id:str}": MEMBERS,
    "GET /scanner/associations": SCANNERS,
    "POST /scanner/lookup/{upc:str}": SCANNERS,
    "POST /scanner/qr/command": SCANNERS,
    "POST /scanner/activity": SCANNERS,
    "GET /events": READERS,
    "POST /events": SCANNERS,
    "GET /events/stream": READERS,
    "GET /events/{event_id:int}": READERS,
    "GET /events/by-event-id/{event_id:str}": READERS,
    "POST /events/{event_id:int}/undo": MEMBERS,
    "POST /events/batches/{batch_id:str}/undo": MEMBERS,
    "GET /alerts": READERS,
    "POST /alerts": MEMBERS,
    "PATCH /alerts/{alert_id:int}/acknowledge": MEMBERS,
    "PATCH /alerts/{alert_id:int}/resolve": MEMBERS,
    "GET /shopping-lists": MEMBERS,
    "POST /shopping-lists": MEMBERS,
    "GET /shopping-lists/{list_id:int}": MEMBERS,
    "PUT /shopping-lists/{list_id:int}": MEMBERS,
    "DELETE /shopping-lists/{list_id:int}": MEMBERS,
    "POST /shopping-lists/{list_id:int}/duplicate": MEMBERS,
    "GET /shopping-lists/{list_id:int}/logs": MEMBERS,
    "POST /shopping-lists/{list_id:int}/items": MEMBERS,
    "PUT /shopping-lists/{list_id:int}/items/{item_id:int}": MEMBERS,
    "DELETE /shopping-lists/{list_id:int}/items/{item_id:int}": MEMBERS,
    "POST /shopping-lists/{list_id:int}/items/{item_id:int}/bought": MEMBERS,
    "PUT /shopping-lists/{list_id:int}/placeholders/{entry_id:int}": MEMBERS,
    "DELETE /shopping-lists/{list_id:int}/placeholders/{entry_id:int}": MEMBERS,
    "POST /shopping-lists/{list_id:int}/placeholders/{entry_id:int}/bought": MEMBERS,
    "POST /shopping-lists/{list_id:int}/fill-low-stock": MEMBERS,
    "GET /documents": READERS,
    "POST /documents": MEMBERS,
    "POST /documents/links": MEMBERS,
    "GET /documents/{document_id:int}": READERS,
    "PATCH /documents/{document_id:int}": MEMBERS,
    "DELETE /documents/{document_id:int}": MEMBERS,
    "GET /documents/{document_id:int}/content": READERS,
    "GET /documents/{document_id:int}/thumbnail": READERS,
    "GET /items/{item_id:int}/documents": READERS,
    "GET /assistance": MEMBERS,
    "POST /items/{item_id:int}/suggestions": MEMBERS,
    "GET /items/{item_id:int}/suggestions": MEMBERS,
    "GET /items/{item_id:int}/suggestions/job": MEMBERS,
    "GET /suggestions": MEMBERS,
    "GET /suggestions/{suggestion_id:int}": MEMBERS,
    "POST /suggestions/{suggestion_id:int}/accept": MEMBERS,
    "POST /suggestions/{suggestion_id:int}/reject": MEMBERS,
    "GET /projects": MEMBERS,
    "POST /projects": MEMBERS,
    "GET /projects/{project_id:int}": MEMBERS,
    "PUT /projects/{project_id:int}": MEMBERS,
    "PATCH /projects/{project_id:int}": MEMBERS,
    "DELETE /projects/{project_id:int}": MEMBERS,
    "POST /projects/{project_id:int}/items": MEMBERS,
    "PUT /projects/{project_id:int}/items/{item_id:int}": MEMBERS,
    "DELETE /projects/{project_id:int}/items/{item_id:int}": MEMBERS,
    "PUT /projects/{project_id:int}/placeholders/{entry_id:int}": MEMBERS,
    "DELETE /projects/{project_id:int}/placeholders/{entry_id:int}": MEMBERS,
    "GET /projects/{project_id:int}/missing": MEMBERS,
    "POST /projects/{project_id:int}/shopping-list": MEMBERS,
    "POST /projects/{project_id:int}/withdraw": MEMBERS,
    "GET /imports": MEMBERS,
    "POST /imports": MEMBERS,
    "GET /imports/fields": MEMBERS,
    "GET /imports/presets": MEMBERS,
    "GET /imports/{job_id:int}": MEMBERS,
    "GET /imports/{job_id:int}/events": MEMBERS,
    "GET /imports/{job_id:int}/report.csv": MEMBERS,
    "GET /imports/{job_id:int}/refused.csv": MEMBERS,
    "GET /exports/items.csv": READERS,
    "GET /exports/stock.csv": READERS,
    "GET /exports/value.csv": READERS,
    "GET /exports/events.csv": READERS,
    "GET /logs": ADMINS,
    "GET /logs/stream": ADMINS,
    "GET /log": ADMINS,
    "GET /log/stream": ADMINS,
    "GET /audit": ADMINS,
    "POST /backup/create/full": ADMINS,
    "POST /backup/create/full/download": ADMINS,
    "POST /backup/import/partial": ADMINS,
    "POST /backup/import/full": ADMINS,
    "POST /backup/upload/import/partial": ADMINS,
    "POST /backup/upload/import/full": ADMINS,
    "POST /system/backup": ADMINS,
    "GET /system/backup/list": ADMINS,
    "GET /system/encryption": ADMINS,
    "POST /system/encryption/passphrase": ADMINS,
    "GET /system/offsite": ADMINS,
    "POST /system/offsite/fetch": ADMINS,
    "GET /system/backup/{timestamp:str}/download": ADMINS,
    "DELETE /system/backup/{timestamp:str}": ADMINS,
    "POST /system/backup/{timestamp:str}/verify": ADMINS,
    "POST /system/backup/{timestamp:str}/restore": ADMINS,
    "POST /system/restore": ADMINS,
    "GET /jobs": ADMINS,
    "GET /jobs/{job_id:int}": ADMINS,
    "GET /jobs/{job_id:int}/events": ADMINS,
    "POST /jobs/{job_id:int}/cancel": ADMINS,
    "POST /jobs/{job_id:int}/retry": ADMINS,
    "POST /jobs/{job_id:int}/dismiss": ADMINS,
    "GET /settings": ADMINS,
    "PATCH /settings": ADMINS,
    "GET /webhooks": ADMINS,
    "POST /webhooks": ADMINS,
    "GET /webhooks/{webhook_id:int}": ADMINS,
    "PATCH /webhooks/{webhook_id:int}": ADMINS,
    "DELETE /webhooks/{webhook_id:int}": ADMINS,
    "POST /webhooks/{webhook_id:int}/rotate-secret": ADMINS,
    "POST /webhooks/{webhook_id:int}/test": ADMINS,
    "GET /webhooks/{webhook_id:int}/deliveries": ADMINS,
    "GET /webhooks/{webhook_id:int}/deliveries/{delivery_id:int}": ADMINS,
    "POST /webhooks/{webhook_id:int}/deliveries/{delivery_id:int}/redeliver": ADMINS,
    "GET /notices/channels": ADMINS,
    "POST /notices/channels": ADMINS,
    "GET /notices/channels/{channel_id:int}": ADMINS,
    "PATCH /notices/channels/{channel_id:int}": ADMINS,
    "DELETE /notices/channels/{channel_id:int}": ADMINS,
    "POST /notices/channels/{channel_id:int}/test": ADMINS,
    "GET /health": EVERYONE,
    "GET /openapi.json": EVERYONE,
}
# Routes outside /api/v1 are public and return no data.
OPEN = {
    "GET /health", "GET /health/live", "GET /health/ready", "GET /metrics", "GET /docs", "GET /docs/assets/{name:str}",
    "GET /problems", "GET /problems/{kind:str}",
    "GET /openapi.json", "GET /schema", "GET /schema/openapi.json", "GET /schema/{path:str}",
}  # fmt: skip
# Routes that need a session: every API key is refused.
SIGNED_IN_ONLY = {"POST /auth/change-password"}
ENDLESS = {"GET /events/stream", "GET /logs/stream", "GET /log/stream"}
PEOPLE = ["nobody", *ROLES]


def guarded(app: Litestar) -> list[tuple[Route, frozenset[str]]]:
    """Routes that are not public, with the roles that may call them."""
    known = {str(route): route for route in routes(app) if route.path.startswith(API)}
    return [(known[name], allowed) for name, allowed in ACCESS.items() if allowed != EVERYONE]


async def call(client: AsyncClient, route: Route, headers: dict[str, str], **id: Any) -> Response:
    """Calls a route with a valid body and ids that do not exist."""
    body = BODIES.get(str(route))
    return await client.request(route.method, address(route, **id), json=body, headers=headers)


@pytest.fixture
def credentials(keys: dict[str, str]) -> dict[str, dict[str, str]]:
    """The headers of each of PEOPLE."""
    return {"nobody": {}} | {name: {"X-API-Key": key} for name, key in keys.items()}


def test_every_route_is_in_the_table(app: Litestar) -> None:
    inside = {str(route) for route in routes(app) if route.path.startswith(API)}
    # Pages have a table of their own, in tests/pages.
    outside = {str(route) for route in routes(app).keys() - pages(app) if not route.path.startswith(API)}
    assert inside == set(ACCESS)
    assert outside == OPEN


async def test_every_route_allows_only_its_roles(
    app: Litestar, client: AsyncClient, credentials: dict[str, dict[str, str]]
) -> None:
    for name in PEOPLE:
        for route, allowed in guarded(app):
            if str(route) in ENDLESS and name in allowed:
                continue
            # No object has this id, so that allowed calls change nothing.
            answer = await call(client, route, credentials[name], id=999_999)
            if name == "nobody":
                refused(answer, 401, "Authentication required")
                assert answer.headers["www-authenticate"], str(route)
            elif name not in allowed:
                problem = refused(answer, 403)
                assert problem["detail"].startswith("Access denied"), (str(route), problem)
                detail = problem["detail"]
                for person, role in ROLES.items():
                    assert role in detail or person not in allowed, (str(route), detail)
            elif str(route) in SIGNED_IN_ONLY:
                assert refused(answer, 403)["detail"].startswith("Access denied. An API key cannot"), str(route)
            elif "{user_id:int}" in route.path and name != "admin":
                assert answer.status_code == 403, "someone else's"
            else:
                assert answer.status_code not in (401, 403), (name, str(route), answer.text)
                assert answer.status_code < 500, (name, str(route), answer.text)


async def test_public_routes_need_no_credentials(client: AsyncClient, root: AsyncClient) -> None:
    for path in ("/health", "/openapi.json"):
        assert (await client.get(path)).status_code == 200, path
    for path in ("/health", "/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"):
        assert (await root.get(path)).status_code == 200, path
        assert (await root.get(path, headers={"X-API-Key": "wrong"})).status_code == 200, path


async def test_forbidden_request_is_rejected_before_its_body_is_read(
    app: Litestar, client: AsyncClient, credentials: dict[str, dict[str, str]]
) -> None:
    headers = {"Content-Type": "application/json"}
    for name, status in (("nobody", 401), ("reader", 403)):
        for route, allowed in guarded(app):
            if route.method in ("GET", "DELETE") or name in allowed:
                continue
            answer = await client.request(
                route.method, address(route, "9" * 19), content=b'{"broken', headers=headers | credentials[name]
            )
            assert answer.status_code == status, (str(route), answer.text)


async def test_only_valid_tokens_are_accepted(app: Litestar, client: AsyncClient, keys: dict[str, str]) -> None:
    tokens = made(await client.post("/auth/login-json", json={"username": "admin", "password": PASSWORD}))
    good = tokens["access_token"]
    claims = jwt.decode(good, SECRET_KEY, ["HS256"])
    past = {**claims, "exp": int(time.time()) - 10, "iat": int(time.time()) - 2000}
    assert jwt.encode(claims, SECRET_KEY, "HS256").split(".")[1] == good.split(".")[1], "claims are as they were"
    wrong = {
        "expired": jwt.encode(past, SECRET_KEY, "HS256"),
        "alg none": jwt.encode(claims, None, "none"),
        "another key": jwt.encode(claims, SECRET_KEY[::-1], "HS256"),
        "another algorithm": jwt.encode(claims, SECRET_KEY * 2, "HS512"),
        "a refresh token": tokens["refresh_token"],
        "of another kind": jwt.encode({**claims, "typ": "refresh"}, SECRET_KEY, "HS256"),
        "without an end": jwt.encode({k: v for k, v in claims.items() if k != "exp"}, SECRET_KEY, "HS256"),
        "of no sign-in": jwt.encode({**claims, "sid": "none"}, SECRET_KEY, "HS256"),
        "without its signature": good.rpartition(".")[0] + ".",
        "garbage": "garbage",
        "dots": "..",
        "nothing": "",
        "a key": keys["admin"],
        "very long": "x" * 20_000,
    }
    for route, _ in guarded(app):
        for name, token in wrong.items():
            answer = await call(client, route, {"Authorization": f"Bearer {token}"}, id=999_999)
            problem = refused(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer"), (str(route), name)
            assert token not in problem["detail"] or not token, (str(route), name)
    for headers in ({"X-API-Key": "wrong"}, {"X-API-Key": keys["admin"] + "x"}, {"Authorization": "Basic YTpi"}):
        refused(await client.get("/auth/me", headers=headers), 401)
    assert (await get(client, "/health"))["status"] == "healthy"
    assert (await client.get("/auth/me", headers={"Authorization": f"Bearer {good}"})).status_code == 200


@pytest.mark.parametrize("name", ["member", "scanner", "reader"])
async def test_users_see_and_change_only_themselves(
    name: str, app: Litestar, client: AsyncClient, admin: AsyncClient
) -> None:
    tokens = made(await client.post("/auth/login-json", json={"username": name, "password": PASSWORD}))
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    async with AsyncClient(transport=transport, base_url=f"{ORIGIN}{API}", headers=headers) as one:
        me, other = await get(one, "/auth/me"), await get(admin, "/auth/me")
        assert await get(one, f"/users/{me['id']}") == me
        assert (
            made(await one.put(f"/users/{me['id']}", json={"email": "new@example.org"}))["email"] == "new@example.org"
        )
        for id in (other["id"], 999):
            refused(await one.get(f"/users/{id}"), 403, "Access denied")
            refused(await one.put(f"/users/{id}", json={"email": "x@example.org"}), 403, "Access denied")
        for more in ({"role": "admin"}, {"is_active": False}):
            refused(await one.put(f"/users/{me['id']}", json=more), 403, "Access denied")
        assert await get(admin, f"/users/{other['id']}") == other
        assert (await get(admin, f"/users/{me['id']}"))["role"] == ROLES[name]


async def test_users_see_and_revoke_only_their_own_keys(member: AsyncClient, admin: AsyncClient) -> None:
    of_admin = made(await admin.post("/api-keys/", json={"name": "mine"}))
    own = made(await member.post("/api-keys/", json={"name": "phone"}))
    names = [key["name"] for key in await get(member, "/api-keys/")]
    assert "phone" in names
    assert "mine" not in names
    refused(await member.delete(f"/api-keys/{of_admin['id']}"), 404)
    refused(await admin.delete(f"/users/{of_admin['user_id']}/api-keys/{own['id']}"), 404)
    assert (await member.get("/auth/me", headers={"X-API-Key": of_admin["api_key"]})).json()["username"] == "admin"
    assert (await admin.delete(f"/users/{own['user_id']}/api-keys/{own['id']}")).status_code == 204
    refused(await admin.get("/auth/me", headers={"X-API-Key": own["api_key"]}), 401)
