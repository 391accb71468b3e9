"""Tokens and keys: random or signed, distinguished by their form, and stored only as hashes."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

import jwt
from msgspec import Struct

from stocky import clock
from stocky.errors import Unauthorized

_ALGORITHM = "HS256"
_CLAIMS = ["exp", "iat", "jti", "sub", "sid", "typ"]
# The allowed clock difference between servers that share a key.
LEEWAY_SECONDS = 30


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


def make_access_token(key: str, user_id: int, sign_in_id: str, expires_at: datetime) -> str:
    """A signed token for the sign-in, valid until `expires_at`."""
    claims = {
        "sub": str(user_id),
        "sid": sign_in_id,
        "typ": "access",
        "jti": secrets.token_urlsafe(12),
        "iat": clock.now(),
        "exp": expires_at,
    }
    return jwt.encode(claims, key, _ALGORITHM)


def sign_in_of(key: str, access_token: str) -> str:
    """The sign-in id of an access token. Raises Unauthorized unless our signature is valid and it has not expired."""
    try:
        claims = jwt.decode(access_token, key, [_ALGORITHM], leeway=LEEWAY_SECONDS, options={"require": _CLAIMS})
    except jwt.InvalidTokenError:
        raise token_invalid() from None
    # The leeway is for tokens from a clock that is ahead; it does not extend a session.
    if claims["typ"] != "access" or claims["exp"] <= clock.now().timestamp():
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
