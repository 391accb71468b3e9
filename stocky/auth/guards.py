"""The roles that may call a route, such as `opt=members` beside its path. A route without the option is public.

Litestar's own guards copy the whole route handler for each request, which a profile of scanning showed
near the top of the event loop's time; a hook that reads the route's options avoids the copy.
"""

from __future__ import annotations

from typing import Any

from litestar import Request

from stocky.auth.forgery import check_forgery
from stocky.auth.schemas import Principal, Role
from stocky.errors import Forbidden
from stocky.http.openapi import ROLES_OPTION
from stocky.http.request import drop_empty, refuse_nul, refuse_odd_numbers, require_json, restore_slashes


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


async def admit(request: Request[Any, Any, Any]) -> None:
    """The checks on every request before its handler."""
    refuse_odd_numbers(request)
    restore_slashes(request.scope)
    refuse_nul(request)
    drop_empty(request)
    await authorize(request)
    require_json(request)


async def authorize(request: Request[Any, Any, Any]) -> None:
    """Runs before every handler: identifies the principal and checks its role.

    Raises Unauthorized, or Forbidden naming the allowed roles or for a request that another site forged.
    """
    allowed = roles_of(request.scope["route_handler"].opt)
    if not allowed:
        return
    state = request.scope["app"].state
    principal: Principal = await state.identities.identify(request.scope)
    request.scope["user"] = principal
    if principal.by_cookie and principal.sign_in_id is not None:
        await check_forgery(request, state.config.secret_key, principal.sign_in_id)
    role = principal.user.role
    if role not in allowed:
        names = " or ".join(each.value for each in Role if each in allowed)
        raise Forbidden(f"Access denied. This requires the role {names}; yours is {role.value}")
