"""Passwords, tokens and API keys: how each is made, hashed and checked; only hashes of them are stored."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Literal, TypeVar

import argon2
import jwt
from msgspec import Struct

from stocky import clock
from stocky.errors import Unauthorized, Unavailable

T = TypeVar("T")

MAX_WAITING_PASSWORDS = 64

_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Matches no password, and takes as long to verify as a real hash.
_DUMMY_HASH = f"$argon2id$v=19$m=19456,t=2,p=1${'A' * 22}${'A' * 43}"

_TOKEN_ALGORITHM = "HS256"
_TOKEN_CLAIMS = ["exp", "iat", "jti", "sub", "sid", "typ"]
# The allowed clock difference between servers that share a key.
LEEWAY_SECONDS = 30


class Passwords:
    """Hashes and verifies passwords (31 ms each) without blocking the event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The hash to store. Raises Unavailable when too many wait."""
        return await self._queue(lambda: _hasher.hash(password))

    async def fits(self, password: str, stored: str | None) -> bool:
        """Whether `password` matches `stored`; None takes as long. Raises Unavailable when too many wait."""
        return await self._queue(lambda: _matches(password, stored or _DUMMY_HASH))

    def close(self) -> None:
        """Cancels waiting work."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _queue(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING_PASSWORDS:
            raise Unavailable("Too many sign-ins at once; try again in a few seconds", retry_after=3)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


class Secret(Struct, frozen=True):
    """A new secret: the text for its holder, the hash to store, and the prefix to look it up by."""

    text: str
    hash: str
    prefix: str = ""


def token_invalid() -> Unauthorized:
    """The same error for every rejected token, whatever the reason."""
    return Unauthorized(
        "The token is invalid or has expired", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
    )


# What a token is for: programs send an access token as Bearer, browsers a session token as cookie. Neither is valid
# in place of the other.
TokenKind = Literal["access", "session"]


def make_token(kind: TokenKind, key: str, user_id: int, sign_in_id: str, expires_at: datetime) -> str:
    """A signed token for the sign-in, valid until `expires_at`."""
    claims = {
        "sub": str(user_id),
        "sid": sign_in_id,
        "typ": kind,
        "jti": secrets.token_urlsafe(12),
        "iat": clock.now(),
        "exp": expires_at,
    }
    return jwt.encode(claims, key, _TOKEN_ALGORITHM)


def sign_in_of(kind: TokenKind, key: str, token: str) -> str:
    """The sign-in id of a token of this kind. Raises Unauthorized unless it is ours and has not expired."""
    try:
        claims = jwt.decode(token, key, [_TOKEN_ALGORITHM], leeway=LEEWAY_SECONDS, options={"require": _TOKEN_CLAIMS})
    except jwt.InvalidTokenError:
        raise token_invalid() from None
    # The leeway is for tokens from a clock that is ahead; it does not extend a session.
    if claims["typ"] != kind or claims["exp"] <= clock.now().timestamp():
        raise token_invalid()
    sign_in_id: str = claims["sid"]
    return sign_in_id


def is_access_token(token: str) -> bool:
    """Whether it has the form of an access token; refresh tokens have no dots."""
    return token.count(".") == 2


def make_refresh_token() -> Secret:
    """256 random bits."""
    text = secrets.token_urlsafe(32)
    return Secret(text, hash_of(text))


def make_api_key() -> Secret:
    """256 random bits after a prefix, as in `stk_4f1c09a2be77_…`."""
    prefix = secrets.token_hex(6)
    text = f"stk_{prefix}_{secrets.token_urlsafe(32)}"
    return Secret(text, hash_of(text), prefix)


def prefix_of(api_key: str) -> str | None:
    """The prefix to look the key up by, or None for text that is no key."""
    parts = api_key.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "stk" and parts[1].isalnum() else None


def hash_of(secret: str) -> str:
    """SHA-256 in hex. Enough for 256 random bits, which cannot be guessed; passwords use Argon2id."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _matches(password: str, stored: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        # An invalid hash matches no password.
        return False
