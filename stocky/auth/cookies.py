"""The cookie that remembers a sign-in; no script can read it, and no other site can make use of it."""

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
    """The refresh token in the cookie. Raises Forbidden when another site's page sent it."""
    token = request.cookies.get(COOKIE)
    if token and client.is_foreign_site:
        raise Forbidden(
            "Access denied. The cookie was sent by a page of another site; STOCKY_ALLOWED_ORIGINS lists those that may"
        )
    return token or None


def session_answer(session: Session, client: ClientInfo) -> Response[Tokens]:
    """The tokens; the cookie is set for a remembered session and cleared for any other."""
    if session.remembered_until is None:
        return _answer(session.tokens, client, "", 0)
    seconds = int((session.remembered_until - clock.now()).total_seconds())
    return _answer(session.tokens, client, session.tokens.refresh_token, seconds)


def signed_out_answer(client: ClientInfo) -> Response[Message]:
    """The cookie is cleared."""
    return _answer(Message("Signed out"), client, "", 0)


def _answer(content: T, client: ClientInfo, value: str, seconds: int) -> Response[T]:
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
