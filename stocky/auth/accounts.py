"""Adds and changes users; a password is hashed before the transaction, which never waits for it."""

from __future__ import annotations

from stocky.auth import repository
from stocky.auth.identity import Identities
from stocky.auth.passwords import Passwords
from stocky.auth.schemas import NewUser, Principal, Role, User, UserChange, checked
from stocky.db import Database, Lane
from stocky.errors import BadRequest, Forbidden

KEYS_CHANGE_NOTHING = "Access denied. An API key cannot change the account it belongs to; sign in to change it"
# Otherwise a leaked key of an admin could create an account that outlives the key.
_KEYS_ADD_NO_ADMIN = "Access denied. An API key cannot add an admin; sign in to add one"
_KEYS_SET_NO_PASSWORD = "Access denied. An API key cannot set a user's password; sign in to set it"


class Accounts:
    """The operations of `/users` that need more than one transaction."""

    def __init__(self, database: Database, identities: Identities) -> None:
        self._database = database
        self._identities = identities

    async def add_user(self, new: NewUser, by: Principal) -> User:
        """Raises Forbidden for an admin added by API key, BadRequest naming the field that is taken."""
        if by.key_id is not None and new.role is Role.ADMIN:
            raise Forbidden(_KEYS_ADD_NO_ADMIN)
        password_hash = await self._identities.passwords.hash(new.password)
        async with self._identities.changing() as tx:
            return await repository.add_user(tx, new, password_hash, by)

    async def change_user(self, user_id: int, change: UserChange, by: Principal, address: str) -> User:
        """Changes a user. An API key cannot change its own user: a leaked key could lock the user out.

        Raises what `repository.change_user` raises; Forbidden for another user unless `by` is an admin, and for
        a password set by API key; BadRequest or Throttled when the user's own current password is missing or wrong.
        """
        self_or_admin(by, user_id)
        if by.id == user_id:
            if by.key_id is not None and change.changes_credentials(by.user):
                raise Forbidden(KEYS_CHANGE_NOTHING)
            if change.password is not None:
                await check_current_password(self._database, self._identities, by, change.current_password, address)
        elif by.key_id is not None and change.password is not None:
            raise Forbidden(_KEYS_SET_NO_PASSWORD)
        password_hash = await self._identities.passwords.hash(change.password) if change.password else None
        async with self._identities.changing() as tx:
            return await repository.change_user(tx, user_id, change, password_hash, by)


async def check_current_password(
    database: Database, identities: Identities, by: Principal, given: str | None, address: str
) -> None:
    """Raises BadRequest when `given` is not the current password of `by`, Throttled after too many guesses."""
    if given is None:
        raise BadRequest("The current password is required to change your password", field="current_password")
    async with identities.throttle.attempt(by.user.username, address) as attempt:
        async with database.read(Lane.IDENTITY) as read:
            stored = await repository.find_password_hash(read, by.id)
        if not await identities.passwords.fits(given, stored):
            raise BadRequest("The current password is wrong", field="current_password")
        attempt.succeeded()


def self_or_admin(by: Principal, user_id: int) -> None:
    """Raises Forbidden for another user unless `by` is an admin."""
    if by.id != user_id and by.role is not Role.ADMIN:
        raise Forbidden(f"Access denied. Other users are for the role admin; yours is {by.role.value}")


async def create_admin(database: Database, username: str, email: str, password: str) -> User:
    """Adds an admin to an open database, whether or not it has one already.

    Raises Invalid for an unacceptable name, address or password, BadRequest when another user has the name or address.
    """
    new = checked(NewUser, username=username, email=email, password=password, role=Role.ADMIN)
    passwords = Passwords()
    password_hash = await passwords.hash(new.password)
    passwords.close()
    async with repository.changing(database) as tx:
        return await repository.add_user(tx, new, password_hash, by=None)
