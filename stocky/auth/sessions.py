"""The session cookie of the pages: a signed token that names a sign-in, which scripts cannot read.

It is no refresh token: it does not change while the sign-in lasts, so two tabs never end each other's session.
"""

from __future__ import annotations

from litestar.datastructures import Cookie

from stocky import clock
from stocky.auth import credentials
from stocky.auth.schemas import SignIn
from stocky.http.client_address import ClientInfo

COOKIE = "stocky_session"
_NAME = COOKIE.encode()


def find_session_token(cookies: bytes) -> str | None:
    """The token in a Cookie header; of several, the first, whose path is the longest."""
    for pair in cookies.split(b";"):
        name, _, value = pair.strip().partition(b"=")
        if name == _NAME and value:
            return value.decode("latin-1")
    return None


def session_cookie(key: str, sign_in: SignIn, client: ClientInfo) -> Cookie:
    """The cookie of a new session; it ends with the sign-in."""
    token = credentials.make_token("session", key, sign_in.user_id, sign_in.id, sign_in.expires_at)
    return _cookie(token, int((sign_in.expires_at - clock.now()).total_seconds()), client)


def cleared_cookie(client: ClientInfo) -> Cookie:
    """Removes the cookie from the browser."""
    return _cookie("", 0, client)


def _cookie(value: str, seconds: int, client: ClientInfo) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=value,
        path=client.base_path or "/",
        max_age=seconds,
        httponly=True,
        # Strict would sign out everyone who comes by a link from elsewhere.
        samesite="lax",
        secure=client.is_secure,
    )
