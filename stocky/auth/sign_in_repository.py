"""Sign-ins and their refresh tokens in the database; a refresh token works once, and only its hash is stored."""

from __future__ import annotations

from stocky import clock
from stocky.auth.schemas import SignIn
from stocky.db import Connection
from stocky.errors import Unauthorized


async def add_sign_in(tx: Connection, sign_in: SignIn, password_hash: str) -> None:
    """Adds a sign-in of a user whose password was just verified against `password_hash`.

    Raises Unauthorized when the password was changed or the user deactivated in the meantime.
    """
    added = await tx.execute(
        "add_sign_in",
        id=sign_in.id,
        user_id=sign_in.user_id,
        is_remembered=sign_in.is_remembered,
        now=clock.now(),
        expires_at=sign_in.expires_at,
        password_hash=password_hash,
    )
    if not added:
        raise Unauthorized("Incorrect username or password")


async def find_sign_in(read: Connection, sign_in_id: str) -> SignIn | None:
    """The sign-in, unless it has expired or was revoked."""
    return await read.one("find_sign_in", SignIn, id=sign_in_id, now=clock.now())


async def find_sign_in_of_token(read: Connection, token_hash: str) -> SignIn | None:
    """The sign-in of a refresh token, used or not, unless the sign-in has expired or was revoked."""
    return await read.one("find_sign_in_of_token", SignIn, token_hash=token_hash, now=clock.now())


async def revoke_sign_in(tx: Connection, sign_in_id: str) -> None:
    """Ends a sign-in."""
    await tx.execute("revoke_sign_in", id=sign_in_id, now=clock.now())


async def revoke_sign_ins(tx: Connection, user_id: int, *, except_id: str | None) -> None:
    """Ends all sign-ins of a user except `except_id`."""
    await tx.execute("revoke_sign_ins", user_id=user_id, except_id=except_id, now=clock.now())


async def remove_ended_sign_ins(tx: Connection) -> None:
    """Removes sign-ins that have expired or were revoked, with their refresh tokens."""
    await tx.execute("remove_ended_sign_ins", now=clock.now())


async def add_refresh_token(tx: Connection, token_hash: str, sign_in_id: str) -> None:
    """Adds a refresh token to a sign-in; it expires with the sign-in."""
    await tx.execute("add_refresh_token", token_hash=token_hash, sign_in_id=sign_in_id, now=clock.now())


async def use_refresh_token(tx: Connection, token_hash: str) -> bool:
    """Marks a refresh token as used; False when it already was. Of two concurrent calls one gets True."""
    return await tx.execute("use_refresh_token", token_hash=token_hash, now=clock.now()) > 0
