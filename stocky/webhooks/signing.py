"""Secrets and signatures of webhooks, per the Standard Webhooks specification (standardwebhooks.com, v1)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets

PREFIX = "whsec_"
SECRET_BYTES = 32
# The key length that the specification requires of a secret with the prefix.
KEY_BYTES = range(24, 65)


def make_secret() -> str:
    """A new secret of 256 bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def make_message_id() -> str:
    """The id of a message, the same for every attempt."""
    return f"msg_{secrets.token_hex(16)}"


def signing_key(secret: str) -> bytes:
    """The key of a secret: the base64-decoded bytes after the prefix; without the prefix, the text itself.

    Raises ValueError for a prefix without base64 of 24 to 64 bytes, and for text other than printable ASCII.
    """
    if not re.fullmatch("[!-~]+", secret):
        raise ValueError("secret: must be printable ASCII without blanks")
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if len(key) not in KEY_BYTES:
        raise ValueError(f"secret: {PREFIX} must be followed by base64 of 24 to 64 bytes; or omit the prefix")
    return key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of one attempt, `timestamp` in seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(signing_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
