"""The four users every test database begins with, one for each role, each with one API key."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import argon2

from stocky.config import Config
from stocky.db import make_database
from stocky.db.queries import compile_query

PASSWORD = "correct horse battery"
ROLES = {"admin": "admin", "member": "member", "scanner": "scanner", "reader": "read_only"}
KEYS = {username: f"stk_{username:x<12}_{username * 8}" for username in ROLES}

_ADD_USER = """
INSERT INTO user_account (username, email, password_hash, role, created_at, updated_at)
VALUES (:username, :email, :password_hash, :role, :now, :now)
RETURNING id
"""
_ADD_KEY = """
INSERT INTO api_key (user_id, name, prefix, key_hash, created_at)
VALUES (:user_id, 'tests', :prefix, :key_hash, :now)
"""


async def add_people(config: Config) -> None:
    """Adds them to the migrated database of `config`."""
    hashed = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(PASSWORD)
    database = make_database(config)
    for name, text in (("add_test_user", _ADD_USER), ("add_test_key", _ADD_KEY)):
        database.queries[name] = compile_query(name, text, config.dialect)
    now = datetime.now(UTC)
    await database.open()
    async with database.transaction() as tx:
        for username, role in ROLES.items():
            user_id = await tx.value(
                "add_test_user",
                username=username,
                email=f"{username}@example.org",
                password_hash=hashed,
                role=role,
                now=now,
            )
            prefix = KEYS[username].split("_")[1]
            key_hash = hashlib.sha256(KEYS[username].encode()).hexdigest()
            await tx.execute("add_test_key", user_id=user_id, prefix=prefix, key_hash=key_hash, now=now)
    await database.close()
