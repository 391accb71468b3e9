"""Users as they are added and changed: a password is hashed before the transaction, which never waits for that."""

from __future__ import annotations

from stocky.auth import repository
from stocky.auth.identity import Identities
from stocky.auth.schemas import NewUser, Principal, Role, User, UserChange
from stocky.errors import Forbidden


class Accounts:
    """What the routes under `/users` do that takes more than a transaction."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    async def add_user(self, new: NewUser, by: Principal) -> User:
        """Raises BadRequest naming the field that another user has."""
        password_hash = await self._identities.passwords.hash(new.password)
        async with self._identities.changing() as tx:
            return await repository.add_user(tx, new, password_hash, by)

    async def change_user(self, user_id: int, change: UserChange, by: Principal) -> User:
        """Raises what `repository.change_user` does, and Forbidden when it is someone else and `by` is no admin."""
        self_or_admin(by, user_id)
        password_hash = await self._identities.passwords.hash(change.password) if change.password else None
        async with self._identities.changing() as tx:
            return await repository.change_user(tx, user_id, change, password_hash, by)


def self_or_admin(by: Principal, user_id: int) -> None:
    """Raises Forbidden when the user is someone else and `by` is no admin."""
    if by.id != user_id and by.role is not Role.ADMIN:
        raise Forbidden(f"Access denied. Other users are for the role admin; yours is {by.role.value}")
