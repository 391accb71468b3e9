"""Secrets and signatures of webhooks, as the Standard Webhooks specification has them (standardwebhooks.com, v1)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets

PREFIX = "whsec_"
SECRET_BYTES = 32
# What the specification asks of a secret that is written with the prefix.
KEY_BYTES = range(24, 65)


def make_secret() -> str:
    """A new secret of 256 bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def make_message_id() -> str:
    """The name of a message, the same however often it is sent."""
    return f"msg_{secrets.token_hex(16)}"


def signing_key(secret: str) -> bytes:
    """What a secret signs with: the bytes that base64 stands for behind the prefix, else the text itself.

    Raises ValueError for one with the prefix that is no base64 of 24 to 64 bytes, and for one that is not plain.
    """
    if not re.fullmatch("[!-~]+", secret):
        raise ValueError("secret: only letters, digits and signs of ASCII, and no blanks")
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if len(key) not in KEY_BYTES:
        raise ValueError(f"secret: behind {PREFIX} there has to be base64 of 24 to 64 bytes; or leave the prefix out")
    return key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of one attempt, `timestamp` in seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(signing_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
