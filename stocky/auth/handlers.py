"""`/auth`: signing in and out, oneself, and the one API key of who wants just one."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, Router, delete, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body

from stocky.auth import key_repository
from stocky.auth.cookies import remembered_token, session_answer, signed_out_answer
from stocky.auth.dependencies import AUTH_DEPENDENCIES
from stocky.auth.guards import readers
from stocky.auth.schemas import (
    GeneratedKey,
    GivenRefreshToken,
    Login,
    LoginForm,
    Message,
    PasswordChange,
    Principal,
    Tokens,
    User,
)
from stocky.auth.sign_ins import SignIns
from stocky.auth.throttle import FAILURES_OF_ADDRESS, FAILURES_OF_USER, WINDOW_SECONDS
from stocky.db import Connection
from stocky.errors import Unauthorized
from stocky.http.client_address import ClientInfo
from stocky.http.openapi import problem

MAX_BODY_BYTES = 64 * 2**10
_TOO_MANY = {
    429: problem(
        f"Too many wrong passwords within {WINDOW_SECONDS // 60} minutes: {FAILURES_OF_USER} for the username, or"
        f" {FAILURES_OF_ADDRESS} from the address. Also the right one is refused for `Retry-After` seconds"
    )
}
_SIGN_IN_REFUSED = {401: problem("Incorrect username or password"), **_TOO_MANY}
_SESSION_REFUSED = {
    401: problem("The token is invalid, used or expired"),
    403: problem("Access denied. The cookie was sent by a page of another site"),
}


async def _read_form(request: Request[Any, Any, Any]) -> None:
    """Reads a form of either encoding; Litestar alone would take the one that the route declares."""
    await request.form()


@post("/login", status_code=200, before_request=_read_form, responses=_SIGN_IN_REFUSED)
async def sign_in_by_form(
    data: Annotated[LoginForm, Body(media_type=RequestEncodingType.URL_ENCODED)], sign_ins: SignIns, client: ClientInfo
) -> Response[Tokens]:
    """Sign in with the fields of a form, urlencoded or multipart."""
    return session_answer(await sign_ins.sign_in(data.login(), client.address), client)


@post("/login-json", status_code=200, responses=_SIGN_IN_REFUSED)
async def sign_in(data: Login, sign_ins: SignIns, client: ClientInfo) -> Response[Tokens]:
    """Sign in."""
    return session_answer(await sign_ins.sign_in(data, client.address), client)


@post("/refresh", status_code=200, responses=_SESSION_REFUSED)
async def refresh(
    request: Request[Any, Any, Any], sign_ins: SignIns, client: ClientInfo, data: GivenRefreshToken | None = None
) -> Response[Tokens]:
    """New tokens for a refresh token: in the body, the cookie or the bearer header, in this order.

    An access token that is still valid does as well, in the bearer header. A refresh token works once;
    one that is used again ends its session.
    """
    token = (data and data.refresh_token) or remembered_token(request, client) or _bearer(request)
    if token is None:
        raise Unauthorized
    return session_answer(await sign_ins.refresh(token), client)


@post("/logout", status_code=200, responses=_SESSION_REFUSED)
async def sign_out(
    request: Request[Any, Any, Any], sign_ins: SignIns, client: ClientInfo, data: GivenRefreshToken | None = None
) -> Response[Message]:
    """End the session that the bearer header, the cookie or a refresh token in the body belongs to."""
    given = [data and data.refresh_token, remembered_token(request, client), _bearer(request)]
    await sign_ins.sign_out([token for token in given if token])
    return signed_out_answer(client)


@get("/me", opt=readers)
async def get_me(user: Principal) -> User:
    """Who you are."""
    return user.user


@post("/change-password", status_code=200, opt=readers, responses=_TOO_MANY)
async def change_password(data: PasswordChange, user: Principal, sign_ins: SignIns, client: ClientInfo) -> Message:
    """Change your password; every other session of yours ends."""
    await sign_ins.change_password(user, data, client.address)
    return Message("Password changed; all other sessions are ended")


@post("/generate-api-key", status_code=200, opt=readers)
async def generate_api_key(tx: Connection, user: Principal) -> GeneratedKey:
    """A new API key in the place of the one you had; keys with names of their own stay."""
    key = await key_repository.replace_default_key(tx, user)
    return GeneratedKey(
        "API key made; the one before it is revoked",
        key.api_key,
        "Keep it now, it is never shown again. Send it as X-API-Key",
    )


@delete("/revoke-api-key", status_code=200, opt=readers)
async def revoke_api_key(tx: Connection, user: Principal) -> Message:
    """Revoke that API key."""
    await key_repository.remove_default_key(tx, user)
    return Message("API key revoked")


def _bearer(request: Request[Any, Any, Any]) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


auth_routes = Router(
    "/auth",
    route_handlers=[
        sign_in_by_form,
        sign_in,
        refresh,
        sign_out,
        get_me,
        change_password,
        generate_api_key,
        revoke_api_key,
    ],
    dependencies=AUTH_DEPENDENCIES,
    # Some of these read a body before anyone is known.
    request_max_body_size=MAX_BODY_BYTES,
    opt={"too_large": f"The body is larger than the {MAX_BODY_BYTES // 2**10} KiB that are taken"},
    tags=["Auth"],
)
