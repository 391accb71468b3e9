"""`stocky create-admin`, `reset-password`, `create-key`: accounts; passwords are never command-line arguments."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from stocky.cli.settings import load_settings

if TYPE_CHECKING:
    from stocky.db import Connection, Database

T = TypeVar("T")

PASSWORD_VARIABLE = "STOCKY_ADMIN_PASSWORD"


def register(subparsers: Any) -> None:
    """Adds the commands."""
    parser = subparsers.add_parser(
        "create-admin",
        help="add an admin",
        description="Adds an admin. On a terminal it prompts for the password; otherwise it reads"
        f" {PASSWORD_VARIABLE}, or the first line of standard input.",
    )
    parser.add_argument("--username", required=True, metavar="U", help="3 to 50 characters")
    parser.add_argument("--email", required=True, metavar="E")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=create_admin)

    parser = subparsers.add_parser(
        "reset-password",
        help="set a user's password",
        description="Sets a user's password and ends the user's sessions. On a terminal it prompts for the password;"
        " otherwise it reads the first line of standard input.",
    )
    parser.add_argument("username", metavar="USERNAME")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=reset_password)

    parser = subparsers.add_parser(
        "create-key",
        help="create an API key, and optionally a scanner's account",
        description="Creates an API key for a user and prints it. It cannot be shown again.",
    )
    parser.add_argument("username", metavar="USERNAME")
    parser.add_argument("--name", required=True, metavar="N", help="what the key is for")
    parser.add_argument("--create", action="store_true", help="add the user, as a scanner, if it does not exist")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=create_key)


def create_admin(arguments: argparse.Namespace) -> int:
    """Returns the exit status. Raises Invalid, SchemaNotCurrent, Unavailable, BadRequest for a taken name or email."""
    import msgspec

    from stocky import initial_data

    password = _password(PASSWORD_VARIABLE)

    async def create(database: Database) -> Any:
        return await initial_data.create_admin(database, arguments.username, arguments.email, password)

    user = _with_database(create)
    print(msgspec.json.encode(user).decode() if arguments.json else f"Added the admin {user.username}")
    return 0


def reset_password(arguments: argparse.Namespace) -> int:
    """Returns the exit status. Raises Invalid, NotFound, SchemaNotCurrent, Unavailable."""
    import msgspec

    from stocky.auth import repository
    from stocky.auth.schemas import UserChange, checked

    change = checked(UserChange, password=_password())

    async def reset(database: Database) -> Any:
        password_hash = await _hash(change.password or "")
        async with repository.changing(database) as tx:
            user = await repository.get_user_named(tx, arguments.username)
            return await repository.change_user(tx, user.id, UserChange(), password_hash, by=None)

    user = _with_database(reset)
    if arguments.json:
        print(msgspec.json.encode(user).decode())
    else:
        print(f"Changed the password of {user.username} and ended all sessions of this user")
    return 0


def create_key(arguments: argparse.Namespace) -> int:
    """Returns the exit status. Raises Invalid, NotFound, SchemaNotCurrent, Unavailable."""
    import msgspec

    from stocky.auth import repository
    from stocky.auth.schemas import NewApiKey, checked

    new = checked(NewApiKey, name=arguments.name)

    async def create(database: Database) -> Any:
        # Nobody signs in as a scanner, so its password is random.
        password_hash = await _hash(os.urandom(32).hex())
        async with repository.changing(database) as tx:
            if arguments.create:
                await _add_scanner(tx, arguments.username, password_hash)
            user = await repository.get_user_named(tx, arguments.username)
            return await repository.add_api_key(tx, user.id, new, by=None)

    key = _with_database(create)
    print(msgspec.json.encode(key).decode() if arguments.json else key.api_key)
    return 0


async def _add_scanner(tx: Connection, username: str, password_hash: str) -> None:
    """Adds the user as a scanner, unless it exists."""
    from urllib.parse import quote

    from stocky.auth import repository
    from stocky.auth.schemas import NewUser, Role, checked

    if await repository.find_user_named(tx, username) is None:
        email = f"{quote(username, safe='')}@scanner.invalid"
        new = checked(NewUser, username=username, email=email, password=password_hash, role=Role.SCANNER)
        await repository.add_user(tx, new, password_hash, by=None)


async def _hash(password: str) -> str:
    from stocky.auth.credentials import Passwords

    passwords = Passwords()
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()


def _with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Runs `work` with the configured database and returns its result."""
    import asyncio

    from stocky.db import make_database
    from stocky.db.migrate import check_schema

    config = load_settings()
    check_schema(config)

    async def run() -> T:
        database = make_database(config)
        await database.open()
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def _password(variable: str = "") -> str:
    """Prompts twice on a terminal, else reads the variable or standard input. Raises Invalid when it is empty."""
    from getpass import getpass

    from stocky.errors import Invalid

    if not sys.stdin.isatty():
        password = os.environ.get(variable) or sys.stdin.readline().rstrip("\r\n")
    elif (password := getpass("Password: ")) != getpass("Repeat the password: "):
        raise Invalid("The two passwords differ; nothing was changed")
    if not password:
        raise Invalid("A password is needed: on standard input" + (f" or in {variable}" if variable else ""))
    return password
