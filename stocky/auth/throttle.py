"""Slows down guessing: failed sign-ins are counted for each user and each address, in this process's memory."""

from __future__ import annotations

import hashlib
import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from stocky.errors import Throttled

# An address may be a whole office behind one router.
FAILURES_OF_USER = RateLimitItemPerMinute(10, 5)
FAILURES_OF_ADDRESS = RateLimitItemPerMinute(50, 5)


class Throttle:
    """Counts failures in moving windows; a success clears its user's, never its address's."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, username: str, address: str) -> None:
        """Raises Throttled when the user or the address has failed too often."""
        for limit, name in _limits(username, address):
            if not self._limiter.test(limit, name):
                until = self._limiter.get_window_stats(limit, name).reset_time
                wait = max(1, math.ceil(until - time.time()))
                raise Throttled(f"Too many failed sign-ins; try again in {wait} seconds", retry_after=wait)

    def failed(self, username: str, address: str) -> None:
        """Counts a wrong password."""
        for limit, name in _limits(username, address):
            self._limiter.hit(limit, name)

    def succeeded(self, username: str) -> None:
        """Forgets the user's failures."""
        self._limiter.clear(FAILURES_OF_USER, _bucket(username.casefold()))


def _limits(username: str, address: str) -> tuple[tuple[RateLimitItem, str], ...]:
    return (FAILURES_OF_USER, _bucket(username.casefold())), (FAILURES_OF_ADDRESS, _bucket(address))


def _bucket(name: str) -> str:
    """The library never forgets a name altogether, so that all names there are share 65,536 of ours."""
    return hashlib.sha256(name.encode()).hexdigest()[:4]
