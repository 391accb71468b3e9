"""The roles that may call a route, such as `opt=members` beside its path. A route without the option is public.

Litestar's own guards copy the whole route handler for each request, which a profile of scanning showed
near the top of the event loop's time; a hook that reads the route's options avoids the copy.
"""

from __future__ import annotations

from typing import Any

from litestar import Request

from stocky.auth.schemas import Role
from stocky.errors import Forbidden
from stocky.http.openapi import ROLES_OPTION


def allow(*roles: Role) -> dict[str, frozenset[Role]]:
    """The route options that allow only these roles."""
    return {ROLES_OPTION: frozenset(roles)}


admins = allow(Role.ADMIN)
members = allow(Role.ADMIN, Role.MEMBER)
scanners = allow(Role.ADMIN, Role.MEMBER, Role.SCANNER)
readers = allow(Role.ADMIN, Role.MEMBER, Role.SCANNER, Role.READ_ONLY)


def roles_of(options: dict[str, Any]) -> frozenset[Role]:
    """The roles that a route's options allow; empty for a public route."""
    roles: frozenset[Role] = options.get(ROLES_OPTION, frozenset())
    return roles


async def authorize(request: Request[Any, Any, Any]) -> None:
    """Runs before every handler: identifies the principal and checks its role.

    Raises Unauthorized, or Forbidden naming the allowed roles.
    """
    allowed = roles_of(request.scope["route_handler"].opt)
    if not allowed:
        return
    principal = await request.scope["app"].state.identities.identify(request.scope)
    request.scope["user"] = principal
    role = principal.user.role
    if role not in allowed:
        names = " or ".join(each.value for each in Role if each in allowed)
        raise Forbidden(f"Access denied. This requires the role {names}; yours is {role.value}")
