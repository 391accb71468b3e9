"""Users in the database; usernames and emails are unique ignoring case, and the last active admin cannot go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from msgspec import Struct

from stocky import clock
from stocky.auth.key_repository import revoke_api_keys
from stocky.auth.schemas import NewUser, Principal, Role, ShownUser, User, UserChange
from stocky.auth.sign_in_repository import revoke_sign_ins
from stocky.db import Connection, Database
from stocky.errors import CONFLICTS, BadRequest, Conflict, Forbidden, NotFound
from stocky.logs import audit

_FIELDS = {"user_account__username": "username", "user_account__email": "email"}


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


async def list_users(read: Connection, *, skip: int, limit: int) -> list[User]:
    """All users, including inactive ones, in the order they were added."""
    return await read.all("list_users", User, skip=skip, limit=limit)


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
    changed = await _change(tx, user_id, change, password_hash, by)
    await audit.record(tx, by, "changed", "user", user_id, _details(change, password_hash))
    return changed


async def remove_user(tx: Connection, user_id: int, by: Principal) -> None:
    """Deactivates a user: its sign-ins end and its keys are revoked. Its events stay in the ledger.

    Raises NotFound, BadRequest for the own account, Conflict for the last active admin.
    """
    if user_id == by.id:
        raise BadRequest("You cannot remove yourself; another admin can")
    user = await get_user(tx, user_id)
    await _change(tx, user_id, UserChange(is_active=False), None, by)
    await revoke_api_keys(tx, user_id, by)
    await audit.record(tx, by, "removed", "user", user_id, {"username": user.username})


async def _change(
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
            raise BadRequest(CONFLICTS["user_account__username"], field="username")
        if email is not None and email.casefold() == other.email.casefold():
            raise BadRequest(CONFLICTS["user_account__email"], field="email")


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
        raise BadRequest(conflict.detail, field=field) from conflict


def _details(change: UserChange, password_hash: str | None) -> dict[str, Any]:
    details = {name: getattr(change, name) for name in ("username", "email", "role", "is_active")}
    details["password"] = None if password_hash is None else "changed"
    return {name: value for name, value in details.items() if value is not None}
