"""The four users every test database begins with, one for each role, each with one API key."""

from __future__ import annotations

import argon2

from stocky.auth.credentials import Passwords
from stocky.auth.repository import add_api_key, add_user
from stocky.auth.schemas import NewApiKey, NewUser, Role
from stocky.config import Config
from stocky.db import make_database

PASSWORD = "correct horse battery"
# As a password's is, and no password's.
NOBODYS_HASH = f"$argon2id$v=19$m=19456,t=2,p=1${'A' * 22}${'A' * 43}"
ROLES = {"admin": Role.ADMIN, "member": Role.MEMBER, "scanner": Role.SCANNER, "reader": Role.READ_ONLY}


def cheap_hash() -> str:
    """A hash of PASSWORD that is checked in no time: a sign-in reads from the hash what checking it shall cost."""
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


async def add_people(config: Config, password_hash: str | None = None) -> dict[str, str]:
    """Adds them to the migrated database of `config`; their API keys by their usernames.

    `password_hash` is one of PASSWORD, by default as Stocky makes it.
    """
    if password_hash is None:
        passwords = Passwords()
        password_hash = await passwords.hash(PASSWORD)
        passwords.close()
    keys = {}
    database = make_database(config)
    await database.open()
    async with database.transaction() as tx:
        for username, role in ROLES.items():
            new = NewUser(username=username, email=f"{username}@example.org", password=PASSWORD, role=role)
            user = await add_user(tx, new, password_hash, None)
            keys[username] = (await add_api_key(tx, user.id, NewApiKey("tests"), None)).api_key
    await database.close()
    return keys
