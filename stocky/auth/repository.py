"""Users, sign-ins and API keys in the database; only the hash of a refresh token or key is stored.

Usernames and emails are unique ignoring case, the last active admin cannot go, and a refresh token works once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any

from msgspec import Struct, structs

from stocky import clock
from stocky.auth import credentials
from stocky.auth.schemas import (
    ApiKey,
    CreatedApiKey,
    NewApiKey,
    NewUser,
    OpenSignIn,
    Principal,
    Role,
    ShownUser,
    SignIn,
    User,
    UserChange,
)
from stocky.db import Connection, Database, Listing
from stocky.errors import CONFLICTS, BadRequest, Conflict, Forbidden, NotFound, Unauthorized
from stocky.logs import audit
from stocky.schema import is_empty

_FIELDS = {"user_account__username": "username", "user_account__email": "email"}

DEFAULT_KEY_NAME = "default"


class _Id(Struct):
    id: int


class _Names(Struct):
    id: int
    username: str
    email: str


@asynccontextmanager
async def changing(database: Database) -> AsyncIterator[Connection]:
    """A transaction that changes permissions and notifies every process; see `Identities.changing`."""
    async with database.transaction() as tx:
        yield tx
        await tx.execute("raise_auth_revision")


async def get_user(read: Connection, user_id: int) -> User:
    """Raises NotFound."""
    user = await read.one("get_user", User, id=user_id)
    if user is None:
        raise NotFound(f"There is no user with id {user_id}")
    return user


async def get_users(read: Connection, user_ids: set[int]) -> dict[int, User]:
    """Users by id, including inactive ones."""
    if not user_ids:
        return {}
    users = await read.all("list_users_by_id", User, ids=sorted(user_ids))
    return {user.id: user for user in users}


async def get_shown_users(read: Connection, user_ids: set[int], viewer: Principal | None) -> dict[int, ShownUser]:
    """Users by id, as visible to `viewer`; None sees the least."""
    users = await get_users(read, user_ids)
    return {id: shown(user, viewer) for id, user in users.items()}


def shown(user: User, viewer: Principal | None) -> ShownUser:
    """The account as visible to `viewer`."""
    is_whole = viewer is not None and (viewer.role is Role.ADMIN or viewer.id == user.id)
    return ShownUser(
        id=user.id,
        username=user.username,
        email=user.email if is_whole else None,
        role=user.role if is_whole else None,
        is_active=user.is_active,
        created_at=user.created_at,
        updated_at=user.updated_at,
    )


async def has_active_admin(read: Connection) -> bool:
    """Whether an active admin exists; a new database has none."""
    return bool(await read.value("has_active_admin"))


async def find_user_named(read: Connection, username: str) -> User | None:
    """The user with this name, ignoring case."""
    user = await read.one("find_user_named", User, username=username)
    if user is None and not username.isascii():
        # Both databases fold the case of ASCII only; other names are compared here.
        named = [each.id for each in await _names(read) if each.username.casefold() == username.casefold()]
        if len(named) == 1:
            return await get_user(read, named[0])
    return user


async def get_user_named(read: Connection, username: str) -> User:
    """The user with this name, ignoring case. Raises NotFound."""
    user = await find_user_named(read, username)
    if user is None:
        raise NotFound(f"There is no user named {username!r}")
    return user


async def find_password_hash(read: Connection, user_id: int) -> str | None:
    """The stored hash of the user's password."""
    stored: str | None = await read.value("find_password_hash", user_id=user_id)
    return stored


async def find_language(read: Connection, user_id: int) -> str | None:
    """The language that a user chose for the pages; None is the browser's."""
    language: str | None = await read.value("find_user_language", user_id=user_id)
    return language


async def set_language(tx: Connection, user_id: int, language: str | None) -> None:
    """Sets the language of the pages for a user; None is the browser's."""
    await tx.execute("set_user_language", user_id=user_id, language=language, now=clock.now())


async def list_users(read: Connection, *, skip: int, limit: int, listing: Listing | None = None) -> list[User]:
    """All users, including inactive ones, in the order they were added or that of `listing`."""
    return await read.page("list_users", User, listing, skip=skip, limit=limit)


async def add_user(tx: Connection, new: NewUser, password_hash: str, by: Principal | None) -> User:
    """Adds a user; `by` is None on the command line. Raises BadRequest naming the field that is taken."""
    await _reject_duplicates(tx, new.username, new.email)
    with _duplicates_named():
        user = await tx.one(
            "add_user",
            User,
            username=new.username,
            email=new.email,
            password_hash=password_hash,
            role=new.role,
            is_active=new.is_active,
            now=clock.now(),
        )
    assert user is not None  # INSERT … RETURNING has a row
    details = {"username": user.username, "email": user.email, "role": user.role, "is_active": user.is_active}
    await audit.record(tx, by, "created", "user", user.id, details)
    return user


async def add_first_admin(tx: Connection, new: NewUser, password_hash: str) -> User:
    """Adds an admin to a database without an active one. Of two concurrent calls the second raises Conflict."""
    # On Postgres the lock on this row makes the second call wait for the first.
    await tx.execute("raise_auth_revision")
    if await has_active_admin(tx):
        raise Conflict("There is an admin already; sign in")
    return await add_user(tx, new, password_hash, None)


async def change_user(
    tx: Connection, user_id: int, change: UserChange, password_hash: str | None, by: Principal | None
) -> User:
    """Changes a user; a new password or deactivation ends its sign-ins, all but the one of `by`.

    Raises NotFound, Forbidden when a non-admin changes its own role or active flag, or an API key a role,
    BadRequest naming the field that is taken, Conflict when no active admin would be left.
    """
    user = await get_user(tx, user_id)
    role, is_active = change.role or user.role, user.is_active if change.is_active is None else change.is_active
    if by is not None and by.role is not Role.ADMIN and (role, is_active) != (user.role, user.is_active):
        raise Forbidden("Access denied. Only an admin can change a user's role or active flag")
    if by is not None and by.key_id is not None and role is not user.role:
        raise Forbidden("Access denied. An API key cannot change a user's role; sign in to change it")
    if is_empty(change) and password_hash is None:
        return user
    changed = await _change_user(tx, user_id, change, password_hash, by)
    await audit.record(tx, by, "changed", "user", user_id, _change_details(change, password_hash))
    return changed


async def remove_user(tx: Connection, user_id: int, by: Principal) -> None:
    """Deactivates a user: its sign-ins end and its keys are revoked. Its events stay in the ledger.

    Raises NotFound, BadRequest for the own account, Conflict for the last active admin.
    """
    if user_id == by.id:
        raise BadRequest("You cannot remove yourself; another admin can")
    user = await get_user(tx, user_id)
    await _change_user(tx, user_id, UserChange(is_active=False), None, by)
    await revoke_api_keys(tx, user_id, by)
    await audit.record(tx, by, "removed", "user", user_id, {"username": user.username})


async def add_sign_in(tx: Connection, sign_in: SignIn, password_hash: str) -> None:
    """Adds a sign-in of a user whose password was just verified against `password_hash`.

    Raises Unauthorized when the password was changed or the user deactivated in the meantime.
    """
    added = await tx.execute(
        "add_sign_in",
        id=sign_in.id,
        user_id=sign_in.user_id,
        is_remembered=sign_in.is_remembered,
        now=clock.now(),
        expires_at=sign_in.expires_at,
        password_hash=password_hash,
    )
    if not added:
        raise Unauthorized("Incorrect username or password")


async def find_sign_in(read: Connection, sign_in_id: str) -> SignIn | None:
    """The sign-in, unless it has expired or was revoked."""
    return await read.one("find_sign_in", SignIn, id=sign_in_id, now=clock.now())


async def list_sign_ins(read: Connection, user_id: int) -> list[OpenSignIn]:
    """A user's sign-ins that have neither expired nor been revoked, newest first."""
    return await read.all("list_sign_ins", OpenSignIn, user_id=user_id, now=clock.now())


async def find_sign_in_of_token(read: Connection, token_hash: str) -> SignIn | None:
    """The sign-in of a refresh token, used or not, unless the sign-in has expired or was revoked."""
    return await read.one("find_sign_in_of_token", SignIn, token_hash=token_hash, now=clock.now())


async def revoke_sign_in(tx: Connection, sign_in_id: str) -> None:
    """Ends a sign-in."""
    await tx.execute("revoke_sign_in", id=sign_in_id, now=clock.now())


async def revoke_sign_ins(tx: Connection, user_id: int, *, except_id: str | None) -> None:
    """Ends all sign-ins of a user except `except_id`."""
    await tx.execute("revoke_sign_ins", user_id=user_id, except_id=except_id, now=clock.now())


async def remove_ended_sign_ins(tx: Connection) -> None:
    """Removes sign-ins that have expired or were revoked, with their refresh tokens."""
    await tx.execute("remove_ended_sign_ins", now=clock.now())


async def add_refresh_token(tx: Connection, token_hash: str, sign_in_id: str) -> None:
    """Adds a refresh token to a sign-in; it expires with the sign-in."""
    await tx.execute("add_refresh_token", token_hash=token_hash, sign_in_id=sign_in_id, now=clock.now())


async def use_refresh_token(tx: Connection, token_hash: str) -> bool:
    """Marks a refresh token as used; False when it already was. Of two concurrent calls one gets True."""
    return await tx.execute("use_refresh_token", token_hash=token_hash, now=clock.now()) > 0


class StoredKey(Struct, frozen=True):
    """The fields that a key is checked against."""

    id: int
    user_id: int
    key_hash: str
    expires_at: datetime | None


async def find_api_key(read: Connection, prefix: str) -> StoredKey | None:
    """The key with this prefix, unless revoked; the caller checks whether it has expired."""
    return await read.one("find_api_key", StoredKey, prefix=prefix)


async def list_api_keys(
    read: Connection, user_id: int, *, skip: int, limit: int, listing: Listing | None = None
) -> list[ApiKey]:
    """A user's keys that are not revoked."""
    return await read.page("list_api_keys", ApiKey, listing, user_id=user_id, skip=skip, limit=limit)


async def add_api_key(tx: Connection, user_id: int, new: NewApiKey, by: Principal | None) -> CreatedApiKey:
    """Adds a key for an existing user. Raises Forbidden when it would outlive the key of `by`."""
    await _reject_longer_life(tx, new.expires_at, by)
    made = credentials.make_api_key()
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
    await audit.record(tx, by, "created", "api_key", key.id, _key_details(key))
    return CreatedApiKey(**structs.asdict(key), api_key=made.text)


async def remove_api_key(tx: Connection, user_id: int, key_id: int, by: Principal) -> None:
    """Revokes a key of a user. Raises NotFound."""
    if not await _revoke_keys(tx, user_id, by, id=key_id):
        raise NotFound(f"There is no API key with id {key_id}")


async def replace_default_key(tx: Connection, by: Principal) -> CreatedApiKey:
    """Creates a user's default key and revokes the previous one."""
    await _revoke_keys(tx, by.id, by, name=DEFAULT_KEY_NAME)
    return await add_api_key(tx, by.id, NewApiKey(DEFAULT_KEY_NAME), by)


async def remove_default_key(tx: Connection, by: Principal) -> bool:
    """Revokes the default key; False if there is none."""
    return bool(await _revoke_keys(tx, by.id, by, name=DEFAULT_KEY_NAME))


async def revoke_api_keys(tx: Connection, user_id: int, by: Principal) -> None:
    """Revokes every key of a user."""
    await _revoke_keys(tx, user_id, by)


async def note_api_key_use(tx: Connection, used: Iterable[tuple[int, datetime]]) -> None:
    """Stores when keys were last used, by key id."""
    await tx.execute_many("note_api_key_use", [(used_at, id) for id, used_at in used])


async def _change_user(
    tx: Connection, user_id: int, change: UserChange, password_hash: str | None, by: Principal | None
) -> User:
    if change.role not in (None, Role.ADMIN) or change.is_active is False:
        await _check_admin_remains(tx, user_id)
    await _reject_duplicates(tx, change.username, change.email, own_id=user_id)
    with _duplicates_named():
        user = await tx.one(
            "change_user",
            User,
            id=user_id,
            username=change.username,
            email=change.email,
            password_hash=password_hash,
            role=change.role,
            is_active=change.is_active,
            now=clock.now(),
        )
    assert user is not None  # users are never deleted
    if password_hash is not None or change.is_active is False:
        await revoke_sign_ins(tx, user_id, except_id=by.sign_in_id if by is not None and by.id == user_id else None)
    return user


async def _reject_duplicates(
    tx: Connection, username: str | None, email: str | None, own_id: int | None = None
) -> None:
    """Raises BadRequest for a name that differs from another only in case; for ASCII the indexes check this."""
    if (username or "").isascii() and (email or "").isascii():
        return
    for other in await _names(tx):
        if other.id == own_id:
            continue
        if username is not None and username.casefold() == other.username.casefold():
            raise BadRequest(CONFLICTS["user_account__username"], field="username", kind="already-exists")
        if email is not None and email.casefold() == other.email.casefold():
            raise BadRequest(CONFLICTS["user_account__email"], field="email", kind="already-exists")


async def _names(read: Connection) -> list[_Names]:
    return await read.all("list_user_names", _Names)


async def _check_admin_remains(tx: Connection, user_id: int) -> None:
    if [admin.id for admin in await tx.all("lock_active_admins", _Id)] == [user_id]:
        raise Conflict("This is the last active admin; make another user an admin first")


@contextmanager
def _duplicates_named() -> Iterator[None]:
    try:
        yield
    except Conflict as conflict:
        field = _FIELDS.get(conflict.constraint)
        if field is None:
            raise
        raise BadRequest(conflict.detail, field=field, kind=conflict.kind) from conflict


def _change_details(change: UserChange, password_hash: str | None) -> dict[str, Any]:
    details = {name: getattr(change, name) for name in ("username", "email", "role", "is_active")}
    details["password"] = None if password_hash is None else "changed"
    return {name: value for name, value in details.items() if value is not None}


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


async def _revoke_keys(
    tx: Connection, user_id: int, by: Principal, *, id: int | None = None, name: str | None = None
) -> list[ApiKey]:
    revoked = await tx.all("revoke_api_keys", ApiKey, user_id=user_id, id=id, name=name, now=clock.now())
    for key in revoked:
        await audit.record(tx, by, "revoked", "api_key", key.id, _key_details(key))
    return revoked


def _key_details(key: ApiKey) -> dict[str, str | int]:
    return {"user_id": key.user_id, "name": key.name, "prefix": key.prefix}
