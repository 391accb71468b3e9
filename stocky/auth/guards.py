"""Which roles may call a route; a route without a guard is open to everyone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from stocky.auth.schemas import Principal, Role
from stocky.errors import Forbidden

Connection = ASGIConnection[Any, Principal, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


def allow(*roles: Role) -> Guard:
    """A guard that lets these roles through. Raises Unauthorized or Forbidden."""
    allowed = frozenset(roles)
    names = " or ".join(role.value for role in roles)

    # Asynchronous although it rarely waits: Litestar would run a plain function in a thread.
    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        principal = await connection.app.state.identities.identify(connection)
        connection.scope["user"] = principal
        if principal.user.role not in allowed:
            raise Forbidden(f"Access denied. This takes the role {names}; yours is {principal.user.role.value}")

    guard.roles = allowed  # type: ignore[attr-defined]  # for the table of who may what, in tests and in OpenAPI
    return guard


admins = allow(Role.ADMIN)
members = allow(Role.ADMIN, Role.MEMBER)
scanners = allow(Role.ADMIN, Role.MEMBER, Role.SCANNER)
readers = allow(Role.ADMIN, Role.MEMBER, Role.SCANNER, Role.READ_ONLY)
