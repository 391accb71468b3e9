"""API keys in the database; only the hash of a key is stored, and the key is shown once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct, structs

from stocky import clock
from stocky.auth import tokens
from stocky.auth.schemas import ApiKey, CreatedApiKey, NewApiKey, Principal
from stocky.db import Connection
from stocky.errors import Forbidden, NotFound
from stocky.logs import audit

DEFAULT_NAME = "default"


class StoredKey(Struct, frozen=True):
    """The fields that a key is checked against."""

    id: int
    user_id: int
    key_hash: str
    expires_at: datetime | None


async def find_api_key(read: Connection, prefix: str) -> StoredKey | None:
    """The key with this prefix, unless revoked; the caller checks whether it has expired."""
    return await read.one("find_api_key", StoredKey, prefix=prefix)


async def list_api_keys(read: Connection, user_id: int, *, skip: int, limit: int) -> list[ApiKey]:
    """A user's keys that are not revoked."""
    return await read.all("list_api_keys", ApiKey, user_id=user_id, skip=skip, limit=limit)


async def add_api_key(tx: Connection, user_id: int, new: NewApiKey, by: Principal | None) -> CreatedApiKey:
    """Adds a key for an existing user. Raises Forbidden when it would outlive the key of `by`."""
    await _reject_longer_life(tx, new.expires_at, by)
    made = tokens.make_api_key()
    key = await tx.one(
        "add_api_key",
        ApiKey,
        user_id=user_id,
        name=new.name,
        prefix=made.prefix,
        key_hash=made.hash,
        now=clock.now(),
        expires_at=new.expires_at,
    )
    assert key is not None  # INSERT … RETURNING has a row
    await audit.record(tx, by, "created", "api_key", key.id, _details(key))
    return CreatedApiKey(**structs.asdict(key), api_key=made.text)


async def remove_api_key(tx: Connection, user_id: int, key_id: int, by: Principal) -> None:
    """Revokes a key of a user. Raises NotFound."""
    if not await _revoke(tx, user_id, by, id=key_id):
        raise NotFound(f"There is no API key with id {key_id}")


async def replace_default_key(tx: Connection, by: Principal) -> CreatedApiKey:
    """Creates a user's default key and revokes the previous one."""
    await _revoke(tx, by.id, by, name=DEFAULT_NAME)
    return await add_api_key(tx, by.id, NewApiKey(DEFAULT_NAME), by)


async def remove_default_key(tx: Connection, by: Principal) -> None:
    """Revokes the default key. Raises NotFound."""
    if not await _revoke(tx, by.id, by, name=DEFAULT_NAME):
        raise NotFound("There is no API key to revoke; named keys are revoked under /api-keys")


async def revoke_api_keys(tx: Connection, user_id: int, by: Principal) -> None:
    """Revokes every key of a user."""
    await _revoke(tx, user_id, by)


async def note_api_key_use(tx: Connection, used: Iterable[tuple[int, datetime]]) -> None:
    """Stores when keys were last used, by key id."""
    await tx.execute_many("note_api_key_use", [(used_at, id) for id, used_at in used])


async def _reject_longer_life(tx: Connection, expires_at: datetime | None, by: Principal | None) -> None:
    if by is None or by.key_id is None:
        return
    own: datetime | None = await tx.value("get_key_expiry", id=by.key_id)
    if own is None:
        return
    limit = own if isinstance(own, datetime) else datetime.fromisoformat(own)
    if expires_at is None or expires_at > limit:
        raise Forbidden(
            "Access denied. An API key cannot create a key that is valid longer than itself;"
            f" set expires_at to {limit:%Y-%m-%dT%H:%M:%SZ} or earlier, or sign in"
        )


async def _revoke(
    tx: Connection, user_id: int, by: Principal, *, id: int | None = None, name: str | None = None
) -> list[ApiKey]:
    revoked = await tx.all("revoke_api_keys", ApiKey, user_id=user_id, id=id, name=name, now=clock.now())
    for key in revoked:
        await audit.record(tx, by, "revoked", "api_key", key.id, _details(key))
    return revoked


def _details(key: ApiKey) -> dict[str, str | int]:
    return {"user_id": key.user_id, "name": key.name, "prefix": key.prefix}
