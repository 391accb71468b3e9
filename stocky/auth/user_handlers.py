"""`/users`: for admins, and for everyone as far as it is oneself."""

from __future__ import annotations

from litestar import Router, delete, get, post, put

from stocky.auth import repository
from stocky.auth.accounts import Accounts, self_or_admin
from stocky.auth.dependencies import AUTH_DEPENDENCIES
from stocky.auth.guards import admins, readers
from stocky.auth.schemas import NewUser, Principal, User, UserChange
from stocky.db import Connection
from stocky.http.client_address import ClientInfo
from stocky.http.parameters import Paging
from stocky.schema import PathId


@get("/", opt=admins)
async def list_users(read: Connection, paging: Paging) -> list[User]:
    """All users, the inactive ones included, in the order they were added."""
    return await repository.list_users(read, skip=paging.skip, limit=paging.limit)


@post("/", opt=admins)
async def create_user(data: NewUser, user: Principal, accounts: Accounts) -> User:
    """Add a user. An API key cannot add an admin."""
    return await accounts.add_user(data, user)


@get("/{user_id:int}", opt=readers)
async def get_user(read: Connection, user: Principal, user_id: PathId) -> User:
    """One user: yourself, or anyone for an admin."""
    self_or_admin(user, user_id)
    return await repository.get_user(read, user_id)


@put("/{user_id:int}", opt=readers)
async def change_user(
    data: UserChange, user: Principal, accounts: Accounts, client: ClientInfo, user_id: PathId
) -> User:
    """Change a user: yourself but for your role and active flag, or anyone for an admin.

    What is not sent stays. Your own password needs `current_password`. An API key cannot change its own user, nor set
    anyone's password or role. A new password and the end of being active end the user's sessions.
    """
    return await accounts.change_user(user_id, data, user, client.address)


@delete("/{user_id:int}", opt=admins)
async def remove_user(tx: Connection, user: Principal, user_id: PathId) -> None:
    """Make a user inactive, end its sessions and revoke its keys. What it did stays in the history."""
    await repository.remove_user(tx, user_id, user)


user_routes = Router(
    "/users",
    route_handlers=[list_users, create_user, get_user, change_user, remove_user],
    dependencies=AUTH_DEPENDENCIES,
    tags=["Users"],
)
