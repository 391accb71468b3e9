"""`/auth`: sign-in and sign-out, the own account, and the default API key."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, Router, delete, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body

from stocky.auth import key_repository
from stocky.auth.cookies import remembered_token, session_response, signed_out_response
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
_TOO_MANY_ATTEMPTS = {
    429: problem(
        f"Too many wrong passwords within {WINDOW_SECONDS // 60} minutes: {FAILURES_OF_USER} for the username, or"
        f" {FAILURES_OF_ADDRESS} from the address. The right password is rejected as well for `Retry-After` seconds"
    )
}
_SIGN_IN_RESPONSES = {401: problem("Incorrect username or password"), **_TOO_MANY_ATTEMPTS}
_SESSION_RESPONSES = {
    401: problem("The token is invalid, used or expired"),
    403: problem("Access denied. The cookie was sent by a page of another site"),
}


async def _read_form(request: Request[Any, Any, Any]) -> None:
    """Reads a form in either encoding; Litestar alone accepts only the one that the route declares."""
    await request.form()


@post("/login", status_code=200, before_request=_read_form, responses=_SIGN_IN_RESPONSES)
async def sign_in_by_form(
    data: Annotated[LoginForm, Body(media_type=RequestEncodingType.URL_ENCODED)], sign_ins: SignIns, client: ClientInfo
) -> Response[Tokens]:
    """Sign in with a form, urlencoded or multipart."""
    return session_response(await sign_ins.sign_in(data.login(), client.address), client)


@post("/login-json", status_code=200, responses=_SIGN_IN_RESPONSES)
async def sign_in(data: Login, sign_ins: SignIns, client: ClientInfo) -> Response[Tokens]:
    """Sign in."""
    return session_response(await sign_ins.sign_in(data, client.address), client)


@post("/refresh", status_code=200, responses=_SESSION_RESPONSES)
async def refresh(
    request: Request[Any, Any, Any], sign_ins: SignIns, client: ClientInfo, data: GivenRefreshToken | None = None
) -> Response[Tokens]:
    """Exchange a refresh token for new tokens.

    The token is read from the body, the cookie or the bearer header, in this order. The bearer header may also
    hold a valid access token. A refresh token works once; using it again ends its session.
    """
    token = (data and data.refresh_token) or remembered_token(request, client) or _bearer(request)
    if token is None:
        raise Unauthorized
    return session_response(await sign_ins.refresh(token), client)


@post("/logout", status_code=200, responses=_SESSION_RESPONSES)
async def sign_out(
    request: Request[Any, Any, Any], sign_ins: SignIns, client: ClientInfo, data: GivenRefreshToken | None = None
) -> Response[Message]:
    """End the session of the bearer header, the cookie or the refresh token in the body."""
    given = [data and data.refresh_token, remembered_token(request, client), _bearer(request)]
    await sign_ins.sign_out([token for token in given if token])
    return signed_out_response(client)


@get("/me", opt=readers)
async def get_me(user: Principal) -> User:
    """Your own account."""
    return user.user


@post("/change-password", status_code=200, opt=readers, responses=_TOO_MANY_ATTEMPTS)
async def change_password(data: PasswordChange, user: Principal, sign_ins: SignIns, client: ClientInfo) -> Message:
    """Change your password; all your other sessions end."""
    await sign_ins.change_password(user, data, client.address)
    return Message("Password changed; all other sessions are ended")


@post("/generate-api-key", status_code=200, opt=readers)
async def generate_api_key(tx: Connection, user: Principal) -> GeneratedKey:
    """Replace your default API key with a new one; named keys stay valid."""
    key = await key_repository.replace_default_key(tx, user)
    return GeneratedKey(
        "API key created; the previous one is revoked",
        key.api_key,
        "Store it now; it is not shown again. Send it as X-API-Key",
    )


@delete("/revoke-api-key", status_code=200, opt=readers)
async def revoke_api_key(tx: Connection, user: Principal) -> Message:
    """Revoke your default API key."""
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
    # Some of these routes read a body before the client is authenticated.
    request_max_body_size=MAX_BODY_BYTES,
    opt={"too_large": f"The body is larger than the {MAX_BODY_BYTES // 2**10} KiB allowed"},
    tags=["Auth"],
)
