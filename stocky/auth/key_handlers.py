"""`/api-keys`, the own keys, and `/users/{id}/api-keys`, for admins."""

from __future__ import annotations

from litestar import Router, delete, get, post

from stocky.auth import key_repository, repository
from stocky.auth.dependencies import AUTH_DEPENDENCIES
from stocky.auth.guards import admins, readers
from stocky.auth.schemas import ApiKey, CreatedApiKey, NewApiKey, Principal
from stocky.db import Connection
from stocky.http.parameters import Paging, PathId


@get("/", opt=readers)
async def list_own_keys(read: Connection, user: Principal, paging: Paging) -> list[ApiKey]:
    """List your keys that are not revoked."""
    return await key_repository.list_api_keys(read, user.id, skip=paging.skip, limit=paging.limit)


@post("/", opt=readers)
async def create_own_key(data: NewApiKey, tx: Connection, user: Principal) -> CreatedApiKey:
    """Create a key; `api_key` is shown only in this response."""
    return await key_repository.add_api_key(tx, user.id, data, user)


@delete("/{key_id:int}", opt=readers)
async def remove_own_key(tx: Connection, user: Principal, key_id: PathId) -> None:
    """Revoke one of your keys."""
    await key_repository.remove_api_key(tx, user.id, key_id, user)


@get("/", opt=admins)
async def list_keys(read: Connection, user_id: PathId, paging: Paging) -> list[ApiKey]:
    """List a user's keys that are not revoked."""
    await repository.get_user(read, user_id)
    return await key_repository.list_api_keys(read, user_id, skip=paging.skip, limit=paging.limit)


@post("/", opt=admins)
async def create_key(data: NewApiKey, tx: Connection, user: Principal, user_id: PathId) -> CreatedApiKey:
    """Create a key for a user; `api_key` is shown only in this response."""
    await repository.get_user(tx, user_id)
    return await key_repository.add_api_key(tx, user_id, data, user)


@delete("/{key_id:int}", opt=admins)
async def remove_key(tx: Connection, user: Principal, user_id: PathId, key_id: PathId) -> None:
    """Revoke one of a user's keys."""
    await key_repository.remove_api_key(tx, user_id, key_id, user)


key_routes = [
    Router(
        path,
        route_handlers=handlers,
        dependencies=AUTH_DEPENDENCIES,
        tags=["API keys"],
    )
    for path, handlers in (
        ("/api-keys", [list_own_keys, create_own_key, remove_own_key]),
        ("/users/{user_id:int}/api-keys", [list_keys, create_key, remove_key]),
    )
]
