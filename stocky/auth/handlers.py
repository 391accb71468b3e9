"""`/auth`, `/users` and `/api-keys`: sign-ins, users and keys; every write raises the auth revision.

The refresh token of a remembered sign-in is in a cookie that scripts cannot read and other sites cannot use.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, TypeVar

from litestar import Request, Response, delete, get, post, put
from litestar.datastructures import Cookie, State
from litestar.di import Provide
from litestar.enums import RequestEncodingType
from litestar.params import Body

from stocky import clock
from stocky.auth import repository
from stocky.auth.guards import admins, readers
from stocky.auth.identity import Identities
from stocky.auth.schemas import (
    ApiKey,
    CreatedApiKey,
    GeneratedKey,
    GivenRefreshToken,
    Login,
    LoginForm,
    NewApiKey,
    NewUser,
    PasswordChange,
    Principal,
    Tokens,
    User,
    UserChange,
)
from stocky.auth.service import Accounts, Session, SignIns, self_or_admin
from stocky.auth.throttle import FAILURES_OF_ADDRESS, FAILURES_OF_USER, WINDOW_SECONDS
from stocky.db import Connection
from stocky.errors import Forbidden, Unauthorized
from stocky.http.client_address import ClientInfo, client_info
from stocky.http.openapi import problem
from stocky.http.parameters import Paging, PathId
from stocky.http.routing import Router
from stocky.schema import Message

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

T = TypeVar("T", Tokens, Message)

_COOKIE = "stocky_refresh"
_COOKIE_PATH = "/api/v1/auth"


async def _read_form(request: Request[Any, Any, Any]) -> None:
    """Reads a form in either encoding; Litestar alone accepts only the one that the route declares."""
    await request.form()


@post("/login", status_code=200, before_request=_read_form, responses=_SIGN_IN_RESPONSES)
async def sign_in_by_form(
    data: Annotated[LoginForm, Body(media_type=RequestEncodingType.URL_ENCODED)], sign_ins: SignIns, client: ClientInfo
) -> Response[Tokens]:
    """Sign in with a form, urlencoded or multipart."""
    return _session_response(await sign_ins.sign_in(data.login(), client.address), client)


@post("/login-json", status_code=200, responses=_SIGN_IN_RESPONSES)
async def sign_in(data: Login, sign_ins: SignIns, client: ClientInfo) -> Response[Tokens]:
    """Sign in."""
    return _session_response(await sign_ins.sign_in(data, client.address), client)


@post("/refresh", status_code=200, responses=_SESSION_RESPONSES)
async def refresh(
    request: Request[Any, Any, Any], sign_ins: SignIns, client: ClientInfo, data: GivenRefreshToken | None = None
) -> Response[Tokens]:
    """Exchange a refresh token for new tokens.

    The token is read from the body, the cookie or the bearer header, in this order. The bearer header may also
    hold a valid access token. A refresh token works once; using it again ends its session.
    """
    token = (data and data.refresh_token) or _remembered_token(request, client) or _bearer(request)
    if token is None:
        raise Unauthorized
    return _session_response(await sign_ins.refresh(token), client)


@post("/logout", status_code=200, responses=_SESSION_RESPONSES)
async def sign_out(
    request: Request[Any, Any, Any], sign_ins: SignIns, client: ClientInfo, data: GivenRefreshToken | None = None
) -> Response[Message]:
    """End the session of the bearer header, the cookie or the refresh token in the body."""
    given = [data and data.refresh_token, _remembered_token(request, client), _bearer(request)]
    await sign_ins.sign_out([token for token in given if token])
    return _signed_out_response(client)


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
    key = await repository.replace_default_key(tx, user)
    return GeneratedKey(
        "API key created; the previous one is revoked",
        key.api_key,
        "Store it now; it is not shown again. Send it as X-API-Key",
    )


@delete("/revoke-api-key", status_code=200, opt=readers)
async def revoke_api_key(tx: Connection, user: Principal) -> Message:
    """Revoke your default API key. Without one, or when it is revoked already, nothing changes."""
    if await repository.remove_default_key(tx, user):
        return Message("API key revoked")
    return Message("There is no API key to revoke; named keys are revoked under /api-keys")


@get("/", opt=admins)
async def list_users(read: Connection, paging: Paging) -> list[User]:
    """List all users, including inactive ones, in the order they were added."""
    return await repository.list_users(read, skip=paging.skip, limit=paging.limit, listing=paging)


@post("/", opt=admins)
async def create_user(data: NewUser, user: Principal, accounts: Accounts) -> User:
    """Add a user. An API key cannot add an admin."""
    return await accounts.add_user(data, user)


@get("/{user_id:int}", opt=readers)
async def get_user(read: Connection, user: Principal, user_id: PathId) -> User:
    """Get one user: yourself, or any user as an admin."""
    self_or_admin(user, user_id)
    return await repository.get_user(read, user_id)


@put("/{user_id:int}", opt=readers)
async def change_user(
    data: UserChange, user: Principal, accounts: Accounts, client: ClientInfo, user_id: PathId
) -> User:
    """Change a user: yourself except your role and active flag, or any user as an admin.

    Fields that are not sent stay unchanged. Changing your own password requires `current_password`. An API key cannot
    change its own user, nor set any password or role. A new password or deactivation ends the user's sessions.
    """
    return await accounts.change_user(user_id, data, user, client.address)


@delete("/{user_id:int}", opt=admins, status_code=200, responses={400: problem("You cannot remove yourself")})
async def remove_user(tx: Connection, user: Principal, user_id: PathId) -> Message:
    """Deactivate a user, end its sessions and revoke its keys. Its history stays."""
    await repository.remove_user(tx, user_id, user)
    return Message(f"User {user_id} deactivated")


@get("/", opt=readers)
async def list_own_keys(read: Connection, user: Principal, paging: Paging) -> list[ApiKey]:
    """List your keys that are not revoked."""
    return await repository.list_api_keys(read, user.id, skip=paging.skip, limit=paging.limit, listing=paging)


@post("/", opt=readers)
async def create_own_key(data: NewApiKey, tx: Connection, user: Principal) -> CreatedApiKey:
    """Create a key; `api_key` is shown only in this response."""
    return await repository.add_api_key(tx, user.id, data, user)


@delete("/{key_id:int}", opt=readers)
async def remove_own_key(tx: Connection, user: Principal, key_id: PathId) -> None:
    """Revoke one of your keys."""
    await repository.remove_api_key(tx, user.id, key_id, user)


@get("/", opt=admins)
async def list_keys(read: Connection, user_id: PathId, paging: Paging) -> list[ApiKey]:
    """List a user's keys that are not revoked."""
    await repository.get_user(read, user_id)
    return await repository.list_api_keys(read, user_id, skip=paging.skip, limit=paging.limit, listing=paging)


@post("/", opt=admins)
async def create_key(data: NewApiKey, tx: Connection, user: Principal, user_id: PathId) -> CreatedApiKey:
    """Create a key for a user; `api_key` is shown only in this response."""
    await repository.get_user(tx, user_id)
    return await repository.add_api_key(tx, user_id, data, user)


@delete("/{key_id:int}", opt=admins)
async def remove_key(tx: Connection, user: Principal, user_id: PathId, key_id: PathId) -> None:
    """Revoke one of a user's keys."""
    await repository.remove_api_key(tx, user_id, key_id, user)


async def _sign_ins(state: State) -> SignIns:
    return SignIns(state.database, state.config, state.identities)


async def _accounts(state: State) -> Accounts:
    return Accounts(state.database, state.identities)


async def _client(request: Request[Any, Any, Any], state: State) -> ClientInfo:
    return client_info(request, state.config)


async def _changing(state: State) -> AsyncIterator[Connection]:
    """`tx` from `Identities.changing`: cached principals are dropped after it."""
    identities: Identities = state.identities
    async with identities.changing() as tx:
        yield tx


def _bearer(request: Request[Any, Any, Any]) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _remembered_token(request: Request[Any, Any, Any], client: ClientInfo) -> str | None:
    """The refresh token from the cookie. Raises Forbidden when a page of another site sent it."""
    token = request.cookies.get(_COOKIE)
    if token and client.is_foreign_site:
        raise Forbidden(
            "Access denied. The cookie was sent by a page of another site; STOCKY_ALLOWED_ORIGINS lists allowed sites"
        )
    return token or None


def _session_response(session: Session, client: ClientInfo) -> Response[Tokens]:
    """The tokens; sets the cookie for a remembered session and clears it for any other."""
    if session.remembered_until is None:
        return _with_cookie(session.tokens, client, "", 0)
    seconds = int((session.remembered_until - clock.now()).total_seconds())
    return _with_cookie(session.tokens, client, session.tokens.refresh_token, seconds)


def _signed_out_response(client: ClientInfo) -> Response[Message]:
    """Clears the cookie."""
    return _with_cookie(Message("Signed out"), client, "", 0)


def _with_cookie(content: T, client: ClientInfo, value: str, seconds: int) -> Response[T]:
    cookie = Cookie(
        key=_COOKIE,
        value=value,
        path=client.base_path + _COOKIE_PATH,
        max_age=seconds,
        httponly=True,
        samesite="strict",
        secure=client.is_secure,
    )
    return Response(content, cookies=[cookie], headers={"Cache-Control": "no-store"})


# Replaces the application's `tx`, so that no auth route can write without raising the revision.
_DEPENDENCIES = {
    "tx": Provide(_changing),
    "sign_ins": Provide(_sign_ins),
    "accounts": Provide(_accounts),
    "client": Provide(_client),
}

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
    dependencies=_DEPENDENCIES,
    # Some of these routes read a body before the client is authenticated.
    request_max_body_size=MAX_BODY_BYTES,
    opt={"too_large": f"The body is larger than the {MAX_BODY_BYTES // 2**10} KiB allowed"},
    tags=["Auth"],
)

user_routes = Router(
    "/users",
    route_handlers=[list_users, create_user, get_user, change_user, remove_user],
    dependencies=_DEPENDENCIES,
    tags=["Users"],
)

key_routes = [
    Router(
        path,
        route_handlers=handlers,
        dependencies=_DEPENDENCIES,
        tags=["API keys"],
    )
    for path, handlers in (
        ("/api-keys", [list_own_keys, create_own_key, remove_own_key]),
        ("/users/{user_id:int}/api-keys", [list_keys, create_key, remove_key]),
    )
]
