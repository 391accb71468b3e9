"""Sign-ins and accounts; an unknown user and a wrong password get the same response.

A password is hashed before the transaction, which never waits for it.
"""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timedelta

from msgspec import Struct

from stocky import clock
from stocky.auth import credentials, repository
from stocky.auth.credentials import Passwords
from stocky.auth.identity import Identities
from stocky.auth.schemas import (
    Login,
    NewUser,
    PasswordChange,
    Principal,
    Role,
    SignIn,
    Tokens,
    User,
    UserChange,
    checked,
)
from stocky.config import Config
from stocky.db import Connection, Database, Lane
from stocky.errors import BadRequest, Forbidden, NotFound, Unauthorized

SESSION = timedelta(days=7)
REMEMBERED_SESSION = timedelta(days=30)

_log = logging.getLogger(__name__)

_KEYS_CHANGE_NOTHING = "Access denied. An API key cannot change the account it belongs to; sign in to change it"
# Otherwise a leaked key of an admin could create an account that outlives the key.
_KEYS_ADD_NO_ADMIN = "Access denied. An API key cannot add an admin; sign in to add one"
_KEYS_SET_NO_PASSWORD = "Access denied. An API key cannot set a user's password; sign in to set it"


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
        """Starts a session of tokens. Raises Unauthorized, Throttled, or Unavailable when too many sign in at once."""
        user, password_hash = await self._verify(login, address)
        sign_in = _new_sign_in(user, login.remember_me)
        async with self._database.transaction() as tx:
            await repository.add_sign_in(tx, sign_in, password_hash)
            session = await self._continue(tx, sign_in, user)
        _log.info("%s signed in", user.username)
        return session

    async def open(self, login: Login, address: str) -> SignIn:
        """Starts a session of the pages, without tokens for programs. Raises what `sign_in` raises."""
        user, password_hash = await self._verify(login, address)
        return await self.open_for(user, password_hash, is_remembered=login.remember_me)

    async def open_for(self, user: User, password_hash: str, *, is_remembered: bool) -> SignIn:
        """Starts a session of the pages for a user whose stored password hash is known.

        Raises Unauthorized when the password was changed or the user deactivated in the meantime.
        """
        sign_in = _new_sign_in(user, is_remembered)
        async with self._database.transaction() as tx:
            await repository.add_sign_in(tx, sign_in, password_hash)
        _log.info("%s signed in", user.username)
        return sign_in

    async def end(self, sign_in_id: str, by: Principal) -> None:
        """Ends one of the own sign-ins, also the current one. Raises NotFound."""
        async with self._identities.changing() as tx:
            sign_in = await repository.find_sign_in(tx, sign_in_id)
            if sign_in is None or sign_in.user_id != by.id:
                raise NotFound("This sign-in has ended already")
            await repository.revoke_sign_in(tx, sign_in_id)

    async def _verify(self, login: Login, address: str) -> tuple[User, str]:
        """The user with this name and password, and the stored hash."""
        async with self._identities.throttle.attempt(login.username, address) as attempt:
            async with self._database.read(Lane.IDENTITY) as read:
                user = await repository.find_user_named(read, login.username)
                stored = await repository.find_password_hash(read, user.id if user else 0)
            fits = await self._identities.passwords.fits(login.password, stored)
            if user is None or stored is None or not fits or not user.is_active:
                _log.warning("A sign-in from %s was rejected", address)
                raise Unauthorized("Incorrect username or password")
            attempt.succeeded()
        return user, stored

    async def refresh(self, token: str) -> Session:
        """New tokens for a refresh token or a valid access token. Raises Unauthorized."""
        if credentials.is_access_token(token):
            principal = await self._identities.holder_of_access_token(token)
            async with self._database.transaction() as tx:
                sign_in = await repository.find_sign_in(tx, principal.sign_in_id or "")
                if sign_in is None:
                    raise credentials.token_invalid()
                return await self._continue(tx, sign_in, principal.user)
        token_hash = credentials.hash_of(token)
        async with self._database.read(Lane.IDENTITY) as read:
            sign_in = await repository.find_sign_in_of_token(read, token_hash)
        if sign_in is None:
            raise credentials.token_invalid()
        async with self._database.transaction() as tx:
            if await repository.use_refresh_token(tx, token_hash):
                return await self._continue(tx, sign_in, await repository.get_user(tx, sign_in.user_id))
        # Used before: its holder or a thief has the tokens issued for it. Which one is unknown, so both are signed out.
        await self._revoke(sign_in.id)
        _log.warning("A refresh token of user %s was used again; its session was ended", sign_in.user_id)
        raise credentials.token_invalid()

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
            raise Forbidden(_KEYS_CHANGE_NOTHING)
        await _check_current_password(self._database, self._identities, by, change.current_password, address)
        password_hash = await self._identities.passwords.hash(change.new_password)
        async with self._identities.changing() as tx:
            await repository.change_user(tx, by.id, UserChange(), password_hash, by)

    async def _continue(self, tx: Connection, sign_in: SignIn, user: User) -> Session:
        """The next tokens of a sign-in; none outlives it."""
        refresh_token = credentials.make_refresh_token()
        await repository.add_refresh_token(tx, refresh_token.hash, sign_in.id)
        now = clock.now()
        expires_at = min(now + timedelta(minutes=self._config.access_token_minutes), sign_in.expires_at)
        return Session(
            Tokens(
                access_token=credentials.make_token("access", self._config.secret_key, user.id, sign_in.id, expires_at),
                expires_in=int((expires_at - now).total_seconds()),
                user_id=user.id,
                role=user.role,
                refresh_token=refresh_token.text,
            ),
            remembered_until=sign_in.expires_at if sign_in.is_remembered else None,
        )

    async def _session_of(self, token: str) -> str | None:
        if credentials.is_access_token(token):
            try:
                return credentials.sign_in_of("access", self._config.secret_key, token)
            except Unauthorized:
                return None
        async with self._database.read(Lane.IDENTITY) as read:
            sign_in = await repository.find_sign_in_of_token(read, credentials.hash_of(token))
        return sign_in.id if sign_in else None

    async def _revoke(self, sign_in_id: str) -> None:
        async with self._identities.changing() as tx:
            await repository.revoke_sign_in(tx, sign_in_id)


class Accounts:
    """The operations of `/users` that need more than one transaction."""

    def __init__(self, database: Database, identities: Identities) -> None:
        self._database = database
        self._identities = identities

    async def add_user(self, new: NewUser, by: Principal) -> User:
        """Raises Forbidden for an admin added by API key, BadRequest naming the field that is taken."""
        if by.key_id is not None and new.role is Role.ADMIN:
            raise Forbidden(_KEYS_ADD_NO_ADMIN)
        password_hash = await self._identities.passwords.hash(new.password)
        async with self._identities.changing() as tx:
            return await repository.add_user(tx, new, password_hash, by)

    async def change_user(self, user_id: int, change: UserChange, by: Principal, address: str) -> User:
        """Changes a user. An API key cannot change its own user: a leaked key could lock the user out.

        Raises what `repository.change_user` raises; Forbidden for another user unless `by` is an admin, and for
        a password set by API key; BadRequest or Throttled when the user's own current password is missing or wrong.
        """
        self_or_admin(by, user_id)
        if by.id == user_id:
            if by.key_id is not None and change.changes_credentials(by.user):
                raise Forbidden(_KEYS_CHANGE_NOTHING)
            if change.password is not None:
                await _check_current_password(self._database, self._identities, by, change.current_password, address)
        elif by.key_id is not None and change.password is not None:
            raise Forbidden(_KEYS_SET_NO_PASSWORD)
        password_hash = await self._identities.passwords.hash(change.password) if change.password else None
        async with self._identities.changing() as tx:
            return await repository.change_user(tx, user_id, change, password_hash, by)


def _new_sign_in(user: User, is_remembered: bool) -> SignIn:
    life = REMEMBERED_SESSION if is_remembered else SESSION
    return SignIn(secrets.token_urlsafe(16), user.id, is_remembered, clock.now() + life)


async def _check_current_password(
    database: Database, identities: Identities, by: Principal, given: str | None, address: str
) -> None:
    """Raises BadRequest when `given` is not the current password of `by`, Throttled after too many guesses."""
    if given is None:
        raise BadRequest("The current password is required to change your password", field="current_password")
    async with identities.throttle.attempt(by.user.username, address) as attempt:
        async with database.read(Lane.IDENTITY) as read:
            stored = await repository.find_password_hash(read, by.id)
        if not await identities.passwords.fits(given, stored):
            raise BadRequest("The current password is wrong", field="current_password")
        attempt.succeeded()


def self_or_admin(by: Principal, user_id: int) -> None:
    """Raises Forbidden for another user unless `by` is an admin."""
    if by.id != user_id and by.role is not Role.ADMIN:
        raise Forbidden(f"Access denied. Other users are for the role admin; yours is {by.role.value}")


async def create_admin(database: Database, username: str, email: str, password: str) -> User:
    """Adds an admin to an open database, whether or not it has one already.

    Raises Invalid for an unacceptable name, address or password, BadRequest when another user has the name or address.
    """
    new = checked(NewUser, username=username, email=email, password=password, role=Role.ADMIN)
    passwords = Passwords()
    password_hash = await passwords.hash(new.password)
    passwords.close()
    async with repository.changing(database) as tx:
        return await repository.add_user(tx, new, password_hash, by=None)
