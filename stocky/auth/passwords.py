"""Password hashing: Argon2id on its own thread, one at a time, behind a queue of bounded length."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2

from stocky.errors import Unavailable

T = TypeVar("T")

MAX_WAITING = 64

_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Matches no password, and takes as long to verify as a real hash.
_DUMMY_HASH = f"$argon2id$v=19$m=19456,t=2,p=1${'A' * 22}${'A' * 43}"


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
        return await self._queue(lambda: _fits(password, stored or _DUMMY_HASH))

    def close(self) -> None:
        """Cancels waiting work."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _queue(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many sign-ins at once; try again in a few seconds", retry_after=3)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


def _fits(password: str, stored: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        # An invalid hash matches no password.
        return False
