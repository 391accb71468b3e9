"""Sign-in, token refresh and sign-out; an unknown user and a wrong password get the same response."""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timedelta

from msgspec import Struct

from stocky import clock
from stocky.auth import repository, sign_in_repository, tokens
from stocky.auth.accounts import KEYS_CHANGE_NOTHING, check_current_password
from stocky.auth.identity import Identities
from stocky.auth.schemas import Login, PasswordChange, Principal, SignIn, Tokens, User, UserChange
from stocky.config import Config
from stocky.db import Connection, Database, Lane
from stocky.errors import Forbidden, Unauthorized

SESSION = timedelta(days=7)
REMEMBERED_SESSION = timedelta(days=30)

_log = logging.getLogger(__name__)


class Session(Struct, frozen=True):
    """The tokens of a sign-in; `remembered_until` is when its cookie expires, None without a cookie."""

    tokens: Tokens
    remembered_until: datetime | None


class SignIns:
    """The operations of `/auth`."""

    def __init__(self, database: Database, config: Config, identities: Identities) -> None:
        self._database = database
        self._config = config
        self._identities = identities

    async def sign_in(self, login: Login, address: str) -> Session:
        """Starts a session. Raises Unauthorized, Throttled, or Unavailable when too many sign in at once."""
        async with self._identities.throttle.attempt(login.username, address) as attempt:
            async with self._database.read(Lane.IDENTITY) as read:
                user = await repository.find_user_named(read, login.username)
                stored = await repository.find_password_hash(read, user.id if user else 0)
            fits = await self._identities.passwords.fits(login.password, stored)
            if user is None or stored is None or not fits or not user.is_active:
                _log.warning("A sign-in from %s was rejected", address)
                raise Unauthorized("Incorrect username or password")
            attempt.succeeded()
        life = REMEMBERED_SESSION if login.remember_me else SESSION
        sign_in = SignIn(secrets.token_urlsafe(16), user.id, login.remember_me, clock.now() + life)
        async with self._database.transaction() as tx:
            await sign_in_repository.add_sign_in(tx, sign_in, stored)
            session = await self._continue(tx, sign_in, user)
        _log.info("%s signed in", user.username)
        return session

    async def refresh(self, token: str) -> Session:
        """New tokens for a refresh token or a valid access token. Raises Unauthorized."""
        if tokens.is_access_token(token):
            principal = await self._identities.holder_of_access_token(token)
            async with self._database.transaction() as tx:
                sign_in = await sign_in_repository.find_sign_in(tx, principal.sign_in_id or "")
                if sign_in is None:
                    raise tokens.token_invalid()
                return await self._continue(tx, sign_in, principal.user)
        token_hash = tokens.hash_of(token)
        async with self._database.read(Lane.IDENTITY) as read:
            sign_in = await sign_in_repository.find_sign_in_of_token(read, token_hash)
        if sign_in is None:
            raise tokens.token_invalid()
        async with self._database.transaction() as tx:
            if await sign_in_repository.use_refresh_token(tx, token_hash):
                return await self._continue(tx, sign_in, await repository.get_user(tx, sign_in.user_id))
        # Used before: its holder or a thief has the tokens issued for it. Which one is unknown, so both are signed out.
        await self._revoke(sign_in.id)
        _log.warning("A refresh token of user %s was used again; its session was ended", sign_in.user_id)
        raise tokens.token_invalid()

    async def sign_out(self, given: list[str]) -> None:
        """Ends the sessions of these tokens. Raises Unauthorized when none of them has a session."""
        sign_in_ids = {id for token in given if (id := await self._session_of(token)) is not None}
        if not sign_in_ids:
            raise Unauthorized
        for id in sign_in_ids:
            await self._revoke(id)

    async def change_password(self, by: Principal, change: PasswordChange, address: str) -> None:
        """Changes the own password; other sessions end.

        Raises Forbidden for an API key, Throttled, BadRequest for a wrong current password.
        """
        if by.key_id is not None:
            raise Forbidden(KEYS_CHANGE_NOTHING)
        await check_current_password(self._database, self._identities, by, change.current_password, address)
        password_hash = await self._identities.passwords.hash(change.new_password)
        async with self._identities.changing() as tx:
            await repository.change_user(tx, by.id, UserChange(), password_hash, by)

    async def _continue(self, tx: Connection, sign_in: SignIn, user: User) -> Session:
        """The next tokens of a sign-in; none outlives it."""
        refresh_token = tokens.make_refresh_token()
        await sign_in_repository.add_refresh_token(tx, refresh_token.hash, sign_in.id)
        now = clock.now()
        expires_at = min(now + timedelta(minutes=self._config.access_token_minutes), sign_in.expires_at)
        return Session(
            Tokens(
                access_token=tokens.make_access_token(self._config.secret_key, user.id, sign_in.id, expires_at),
                expires_in=int((expires_at - now).total_seconds()),
                user_id=user.id,
                role=user.role,
                refresh_token=refresh_token.text,
            ),
            remembered_until=sign_in.expires_at if sign_in.is_remembered else None,
        )

    async def _session_of(self, token: str) -> str | None:
        if tokens.is_access_token(token):
            try:
                return tokens.sign_in_of(self._config.secret_key, token)
            except Unauthorized:
                return None
        async with self._database.read(Lane.IDENTITY) as read:
            sign_in = await sign_in_repository.find_sign_in_of_token(read, tokens.hash_of(token))
        return sign_in.id if sign_in else None

    async def _revoke(self, sign_in_id: str) -> None:
        async with self._identities.changing() as tx:
            await sign_in_repository.revoke_sign_in(tx, sign_in_id)
