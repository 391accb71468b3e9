"""Passwords: Argon2id on a thread of its own, one at a time, behind a queue that refuses rather than grows."""

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
# Belongs to nobody, fits no password, and takes as long to find that out as any other.
_NOBODYS_HASH = f"$argon2id$v=19$m=19456,t=2,p=1${'A' * 22}${'A' * 43}"


class Passwords:
    """Hashes and compares passwords (31 ms each) without holding up the event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """What is stored. Raises Unavailable when too many wait."""
        return await self._queue(lambda: _hasher.hash(password))

    async def fits(self, password: str, stored: str | None) -> bool:
        """Whether it is the password behind `stored`; None takes as long. Raises Unavailable when too many wait."""
        return await self._queue(lambda: _fits(password, stored or _NOBODYS_HASH))

    def close(self) -> None:
        """Forgets whoever still waits."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _queue(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many people sign in at this moment; try again in a few seconds", retry_after=3)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


def _fits(password: str, stored: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        # A hash that is none fits no password either.
        return False
