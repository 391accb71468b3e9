"""Users as they are added and changed: a password is hashed before the transaction, which never waits for that."""

from __future__ import annotations

from stocky.auth import repository
from stocky.auth.identity import Identities
from stocky.auth.schemas import NewUser, Principal, Role, User, UserChange
from stocky.db import Database, Lane
from stocky.errors import BadRequest, Forbidden

KEYS_CHANGE_NOTHING = "Access denied. An API key cannot change the account it belongs to; sign in to change it"
# A leaked key of an admin would otherwise become an account that outlives it.
_KEYS_ADD_NO_ADMIN = "Access denied. An API key cannot add an admin; sign in to add one"
_KEYS_SET_NO_PASSWORD = "Access denied. An API key cannot set a user's password; sign in to set it"


class Accounts:
    """What the routes under `/users` do that takes more than a transaction."""

    def __init__(self, database: Database, identities: Identities) -> None:
        self._database = database
        self._identities = identities

    async def add_user(self, new: NewUser, by: Principal) -> User:
        """Raises Forbidden for an admin added by API key, BadRequest naming the field that another user has."""
        if by.key_id is not None and new.role is Role.ADMIN:
            raise Forbidden(_KEYS_ADD_NO_ADMIN)
        password_hash = await self._identities.passwords.hash(new.password)
        async with self._identities.changing() as tx:
            return await repository.add_user(tx, new, password_hash, by)

    async def change_user(self, user_id: int, change: UserChange, by: Principal, address: str) -> User:
        """Changes a user; an API key cannot change its own user, whom a leaked one would otherwise lock out.

        Raises what `repository.change_user` does; Forbidden when it is someone else and `by` is no admin, and for
        a password set by API key; BadRequest or Throttled when one's own current password is missing or wrong.
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
    """Raises Forbidden when the user is someone else and `by` is no admin."""
    if by.id != user_id and by.role is not Role.ADMIN:
        raise Forbidden(f"Access denied. Other users are for the role admin; yours is {by.role.value}")
