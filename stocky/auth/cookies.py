"""The refresh-token cookie of a remembered sign-in; scripts cannot read it and other sites cannot use it."""

from __future__ import annotations

from typing import Any, TypeVar

from litestar import Request, Response
from litestar.datastructures import Cookie

from stocky import clock
from stocky.auth.schemas import Message, Tokens
from stocky.auth.sign_ins import Session
from stocky.errors import Forbidden
from stocky.http.client_address import ClientInfo

T = TypeVar("T", Tokens, Message)

COOKIE = "stocky_refresh"
PATH = "/api/v1/auth"


def remembered_token(request: Request[Any, Any, Any], client: ClientInfo) -> str | None:
    """The refresh token from the cookie. Raises Forbidden when a page of another site sent it."""
    token = request.cookies.get(COOKIE)
    if token and client.is_foreign_site:
        raise Forbidden(
            "Access denied. The cookie was sent by a page of another site; STOCKY_ALLOWED_ORIGINS lists allowed sites"
        )
    return token or None


def session_response(session: Session, client: ClientInfo) -> Response[Tokens]:
    """The tokens; sets the cookie for a remembered session and clears it for any other."""
    if session.remembered_until is None:
        return _response(session.tokens, client, "", 0)
    seconds = int((session.remembered_until - clock.now()).total_seconds())
    return _response(session.tokens, client, session.tokens.refresh_token, seconds)


def signed_out_response(client: ClientInfo) -> Response[Message]:
    """Clears the cookie."""
    return _response(Message("Signed out"), client, "", 0)


def _response(content: T, client: ClientInfo, value: str, seconds: int) -> Response[T]:
    cookie = Cookie(
        key=COOKIE,
        value=value,
        path=client.base_path + PATH,
        max_age=seconds,
        httponly=True,
        samesite="strict",
        secure=client.is_secure,
    )
    return Response(content, cookies=[cookie], headers={"Cache-Control": "no-store"})
