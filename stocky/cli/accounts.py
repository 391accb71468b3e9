"""`stocky create-admin`, `reset-password`, `create-key`: accounts from the command line; no password is an argument."""

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
        description="Adds an admin. The password is asked for on a terminal; otherwise it is"
        f" {PASSWORD_VARIABLE}, or the first line of standard input.",
    )
    parser.add_argument("--username", required=True, metavar="U", help="3 to 50 characters")
    parser.add_argument("--email", required=True, metavar="E")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=create_admin)

    parser = subparsers.add_parser(
        "reset-password",
        help="give a user another password",
        description="Gives a user another password and ends its sessions. The password is asked for on a terminal;"
        " otherwise it is the first line of standard input.",
    )
    parser.add_argument("username", metavar="USERNAME")
    parser.set_defaults(run=reset_password)

    parser = subparsers.add_parser(
        "create-key",
        help="make an API key, and a scanner's account with it",
        description="Makes an API key for a user and prints it, this once.",
    )
    parser.add_argument("username", metavar="USERNAME")
    parser.add_argument("--name", required=True, metavar="N", help="what the key is for")
    parser.add_argument("--create", action="store_true", help="add the user, as a scanner, where there is none")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=create_key)


def create_admin(arguments: argparse.Namespace) -> int:
    """The exit status. Raises Invalid, BadRequest when the name or address is taken, SchemaNotCurrent, Unavailable."""
    import msgspec

    from stocky import initial_data

    password = _password(PASSWORD_VARIABLE)

    async def create(database: Database) -> Any:
        return await initial_data.create_admin(database, arguments.username, arguments.email, password)

    user = _with_database(create)
    print(msgspec.json.encode(user).decode() if arguments.json else f"{user.username} is an admin now")
    return 0


def reset_password(arguments: argparse.Namespace) -> int:
    """The exit status. Raises Invalid, NotFound, SchemaNotCurrent, Unavailable."""
    from stocky.auth import repository
    from stocky.auth.schemas import UserChange, checked

    change = checked(UserChange, password=_password())

    async def reset(database: Database) -> None:
        password_hash = await _hash(change.password or "")
        async with repository.changing(database) as tx:
            user = await repository.get_user_named(tx, arguments.username)
            await repository.change_user(tx, user.id, UserChange(), password_hash, by=None)

    _with_database(reset)
    print(f"{arguments.username} has another password now; its sessions are ended")
    return 0


def create_key(arguments: argparse.Namespace) -> int:
    """The exit status. Raises Invalid, NotFound, SchemaNotCurrent, Unavailable."""
    import msgspec

    from stocky.auth import key_repository, repository
    from stocky.auth.schemas import NewApiKey, checked

    new = checked(NewApiKey, name=arguments.name)

    async def create(database: Database) -> Any:
        # Nobody signs in as a scanner; a password nobody knows keeps it so.
        password_hash = await _hash(os.urandom(32).hex())
        async with repository.changing(database) as tx:
            if arguments.create:
                await _add_scanner(tx, arguments.username, password_hash)
            user = await repository.get_user_named(tx, arguments.username)
            return await key_repository.add_api_key(tx, user.id, new, by=None)

    key = _with_database(create)
    print(msgspec.json.encode(key).decode() if arguments.json else key.api_key)
    return 0


async def _add_scanner(tx: Connection, username: str, password_hash: str) -> None:
    """Adds the user as a scanner, unless it is there."""
    from urllib.parse import quote

    from stocky.auth import repository
    from stocky.auth.schemas import NewUser, Role, checked

    if await repository.find_user_named(tx, username) is None:
        email = f"{quote(username, safe='')}@scanner.invalid"
        new = checked(NewUser, username=username, email=email, password=password_hash, role=Role.SCANNER)
        await repository.add_user(tx, new, password_hash, by=None)


async def _hash(password: str) -> str:
    from stocky.auth.passwords import Passwords

    passwords = Passwords()
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()


def _with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """What `work` returns, with the database of the settings open around it."""
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
    """Asked twice on a terminal, else from the variable or standard input. Raises Invalid when there is none."""
    from getpass import getpass

    from stocky.errors import Invalid

    if not sys.stdin.isatty():
        password = os.environ.get(variable) or sys.stdin.readline().rstrip("\r\n")
    elif (password := getpass("Password: ")) != getpass("The same again: "):
        raise Invalid("The two passwords differ; nothing was changed")
    if not password:
        raise Invalid("A password is needed: on standard input" + (f" or in {variable}" if variable else ""))
    return password
