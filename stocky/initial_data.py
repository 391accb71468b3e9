"""Creates the first admin of an empty database."""

from __future__ import annotations

from stocky.auth import repository
from stocky.auth.passwords import Passwords
from stocky.auth.schemas import NewUser, Role, User, checked
from stocky.db import Database


async def create_admin(database: Database, username: str, email: str, password: str) -> User:
    """Adds an admin to an open database, even if there is one already.

    Raises Invalid for a name, address or password that is not valid, BadRequest when another user has the name or the
    address.
    """
    new = checked(NewUser, username=username, email=email, password=password, role=Role.ADMIN)
    passwords = Passwords()
    password_hash = await passwords.hash(new.password)
    passwords.close()
    async with repository.changing(database) as tx:
        return await repository.add_user(tx, new, password_hash, by=None)
