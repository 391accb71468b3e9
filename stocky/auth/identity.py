"""Identifies the principal of a request from a cache, which is trusted for at most a second after a revision check."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from litestar.types import Scope

from stocky.auth import credentials, repository
from stocky.auth.credentials import Passwords, TokenKind
from stocky.auth.schemas import Principal
from stocky.auth.sessions import find_session_token
from stocky.auth.throttle import Throttle
from stocky.config import Config
from stocky.db import Connection, Database, Lane
from stocky.errors import StockyError, Unauthorized, Unavailable
from stocky.request_context import user_id as user_of_request

# How long the cache is trusted after a revision check began, how often a check begins, how long it may take.
TRUST_SECONDS = 1.0
CHECK_EVERY_SECONDS = 0.5
CHECK_TIMEOUT_SECONDS = 5.0
FLUSH_EVERY_SECONDS = 60
CLEAN_UP_EVERY_SECONDS = 3600
MAX_CACHED = 50_000

# The SHA-256 of an API key, or the kind of a token and its sign-in id.
CacheKey = bytes | tuple[TokenKind, str]

_log = logging.getLogger(__name__)


class Identities:
    """Finds the principal of a request and caches it until users, keys or sign-ins change.

    Every change raises the database's auth revision in its transaction. This process clears its cache
    right after its own commit (`changing`) and when it sees a different revision.
    """

    def __init__(self, database: Database, config: Config) -> None:
        self.passwords = Passwords()
        self.throttle = Throttle()
        self._database = database
        self._secret_key = config.secret_key
        # The principal, and until when it is valid (seconds since 1970).
        self._cache: dict[CacheKey, tuple[Principal, float]] = {}
        self._epoch = 0
        self._revision: int | None = None
        self._trusted_until = 0.0
        self._check_running: asyncio.Task[None] | None = None
        self._key_uses: dict[int, float] = {}
        self._cleaned_up_at = -math.inf
        # When this process last saw the data replaced by a restore, which ends every session (seconds since 1970).
        self.replaced_at = -math.inf
        task = database.supervisor.task
        self._tasks = [
            task(
                "identities",
                self._check_revision,
                lambda: asyncio.sleep(CHECK_EVERY_SECONDS),
                retry_seconds=CHECK_EVERY_SECONDS,
            ),
            task("sign-ins and keys", self._clean_up, lambda: asyncio.sleep(FLUSH_EVERY_SECONDS)),
        ]
        database.gate.on_data_replaced(self._reset)

    def start(self) -> None:
        """Starts the revision check and the cleanup. The database must be open and the secret key set."""
        if not self._secret_key:
            raise ValueError("There is no secret key to sign tokens with")
        for task in self._tasks:
            task.start()

    async def close(self) -> None:
        """Stops both tasks and stores when keys were last used."""
        for task in self._tasks:
            await task.close()
        if self._check_running is not None:
            self._check_running.cancel()
            await asyncio.gather(self._check_running, return_exceptions=True)
        self.passwords.close()
        try:
            await self._flush_key_uses()
        except StockyError as error:
            _log.warning("The last use of API keys could not be stored: %s", error.detail)

    async def identify(self, scope: Scope) -> Principal:
        """The principal of a request: by `X-API-Key`, else by `Authorization: Bearer`, else by the session cookie.

        A proxy's `Authorization: Basic` is not for Stocky, so the cookie counts beside it.
        Raises Unauthorized, or Unavailable while the revision cannot be read.
        """
        credential = cookies = b""
        for name, value in scope["headers"]:
            if name == b"x-api-key":
                return await self.holder_of_key(value)
            if name == b"authorization":
                credential = value
            elif name == b"cookie":
                cookies = value
        scheme, _, token = credential.partition(b" ")
        if scheme.lower() == b"bearer":
            return await self.holder_of_access_token(token.strip().decode("latin-1"))
        session_token = find_session_token(cookies)
        if session_token is None:
            raise Unauthorized
        return await self._holder_of_token("session", session_token)

    async def holder_of_access_token(self, token: str) -> Principal:
        """The principal of an access token. Raises Unauthorized or Unavailable."""
        return await self._holder_of_token("access", token)

    async def _holder_of_token(self, kind: TokenKind, token: str) -> Principal:
        sign_in_id = credentials.sign_in_of(kind, self._secret_key, token)
        if time.monotonic() >= self._trusted_until:
            await self._check_revision()
        name = (kind, sign_in_id)
        principal, until = self._cache.get(name) or await self._look_up_sign_in(name)
        if time.time() >= until:
            raise credentials.token_invalid()
        user_of_request.set(principal.user.id)
        return principal

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Connection]:
        """A transaction that invalidates cached principals, here at once, in other processes within a second.

        Every change of users, keys and sign-ins uses it: a request that begins after the response sees the change.
        """
        try:
            async with repository.changing(self._database) as tx:
                yield tx
        finally:
            # Also after a failure: when the connection is lost at COMMIT, the outcome is unknown.
            self._clear_cache()

    async def holder_of_key(self, key: bytes) -> Principal:
        """The principal of an API key. Raises Unauthorized or Unavailable."""
        if time.monotonic() >= self._trusted_until:
            await self._check_revision()
        digest = hashlib.sha256(key).digest()
        principal, until = self._cache.get(digest) or await self._look_up_key(key, digest)
        now = time.time()
        if now >= until:
            raise _key_invalid()
        self._key_uses[principal.key_id] = now  # type: ignore[index]  # found by a key, it has one
        user_of_request.set(principal.user.id)
        return principal

    async def _look_up_key(self, key: bytes, digest: bytes) -> tuple[Principal, float]:
        prefix = credentials.prefix_of(key.decode("latin-1"))
        if prefix is None:
            raise _key_invalid()
        epoch = self._epoch
        async with self._database.read(Lane.IDENTITY) as read:
            stored = await repository.find_api_key(read, prefix)
            if stored is None or not hmac.compare_digest(stored.key_hash, digest.hex()):
                raise _key_invalid()
            user = await repository.get_user(read, stored.user_id)
        if not user.is_active:
            raise _key_invalid()
        until = stored.expires_at.timestamp() if stored.expires_at else math.inf
        return self._store(digest, Principal(user, key_id=stored.id), until, epoch)

    async def _look_up_sign_in(self, name: tuple[TokenKind, str]) -> tuple[Principal, float]:
        kind, sign_in_id = name
        epoch = self._epoch
        async with self._database.read(Lane.IDENTITY) as read:
            sign_in = await repository.find_sign_in(read, sign_in_id)
            if sign_in is None:
                raise credentials.token_invalid()
            user = await repository.get_user(read, sign_in.user_id)
            language = await repository.find_language(read, user.id) if kind == "session" else None
        if not user.is_active:
            raise credentials.token_invalid()
        principal = Principal(user, sign_in_id=sign_in_id, by_cookie=kind == "session", language=language)
        return self._store(name, principal, sign_in.expires_at.timestamp(), epoch)

    def _store(self, name: CacheKey, principal: Principal, until: float, epoch: int) -> tuple[Principal, float]:
        found = (principal, until)
        # A value read before the last change is valid only for this request, which began before the change.
        if epoch == self._epoch:
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[name] = found
        return found

    def _reset(self) -> None:
        """After a restore, an id may belong to a different key."""
        self.replaced_at = time.time()
        self._key_uses.clear()
        self._revision = None
        self._trusted_until = 0.0
        self._clear_cache()

    def _clear_cache(self) -> None:
        self._epoch += 1
        self._cache.clear()

    async def _check_revision(self) -> None:
        """Checks the revision; concurrent callers share one check. Raises Unavailable."""
        if self._check_running is None or self._check_running.done():
            self._check_running = asyncio.create_task(self._read_revision())
        await asyncio.shield(self._check_running)

    async def _read_revision(self) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS), self._database.read(Lane.IDENTITY) as read:
                revision = await read.value("get_auth_revision")
        except Exception as error:
            # Whatever the cause, the cache can no longer be trusted: fail closed.
            self._clear_cache()
            self._database.gate.check_open()
            raise Unavailable(
                "The database cannot be reached, so the request cannot be authenticated; try again"
            ) from error
        if revision != self._revision:
            self._revision = revision
            self._clear_cache()
        self._trusted_until = began + TRUST_SECONDS

    async def _clean_up(self) -> None:
        await self._flush_key_uses()
        if time.monotonic() >= self._cleaned_up_at + CLEAN_UP_EVERY_SECONDS:
            async with self._database.transaction() as tx:
                await repository.remove_ended_sign_ins(tx)
            self._cleaned_up_at = time.monotonic()

    async def _flush_key_uses(self) -> None:
        uses, self._key_uses = self._key_uses, {}
        if not uses:
            return
        try:
            rows = [(id, datetime.fromtimestamp(used_at, UTC)) for id, used_at in sorted(uses.items())]
            await self._database.run(repository.note_api_key_use, rows)
        except BaseException:
            self._key_uses = uses | self._key_uses
            raise


def _key_invalid() -> Unauthorized:
    return Unauthorized("The API key is invalid or has expired")
