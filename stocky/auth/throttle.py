"""Limits password guessing: counts sign-in attempts per user and per address, in this process's memory.

An attempt counts before its password is checked, so that concurrent guesses cannot exceed the limit.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from stocky.errors import BadRequest, Throttled, Unauthorized

WINDOW_SECONDS = 300
FAILURES_OF_USER = 10
# One address may be a whole office behind a router.
FAILURES_OF_ADDRESS = 50
# Bound on the users and addresses in memory; the most recent failures are kept.
MAX_NAMES = 100_000


class Attempt(Struct, eq=False):
    """One attempt to sign in."""

    username: str
    address: str
    moment: float
    has_succeeded: bool = False

    def succeeded(self) -> None:
        """The password was right."""
        self.has_succeeded = True


class Throttle:
    """Counts attempts in moving windows; a success clears only its user's failures from its own address.

    `failures` is what its message counts.
    """

    def __init__(self, failures: str = "failed sign-ins") -> None:
        self._failures = failures
        # By the full name, not a hash: no other name can be crafted to share its count.
        self._users: OrderedDict[str, deque[Attempt]] = OrderedDict()
        self._addresses: OrderedDict[str, deque[Attempt]] = OrderedDict()

    @asynccontextmanager
    async def attempt(self, username: str, address: str) -> AsyncIterator[Attempt]:
        """One attempt, for the length of the block; it fails when the block raises Unauthorized or BadRequest.

        Raises Throttled when the user or the address has too many recent attempts.
        """
        attempt = Attempt(username.casefold(), address, time.monotonic())
        counted = (
            (_window(self._users, attempt.username), FAILURES_OF_USER),
            (_window(self._addresses, address), FAILURES_OF_ADDRESS),
        )
        for attempts, limit in counted:
            if len(attempts) >= limit:
                wait = max(1, math.ceil(attempts[0].moment + WINDOW_SECONDS - attempt.moment))
                raise Throttled(f"Too many {self._failures}; try again in {wait} seconds", retry_after=wait)
        for attempts, _ in counted:
            attempts.append(attempt)
        is_failure = False
        try:
            yield attempt
        except (Unauthorized, BadRequest):
            is_failure = True
            raise
        finally:
            if not is_failure:
                self._forget(attempt)

    def _forget(self, attempt: Attempt) -> None:
        """Removes an attempt that did not fail; a success also removes its user's earlier ones from its address."""
        for windows, name in ((self._users, attempt.username), (self._addresses, attempt.address)):
            if attempt in (attempts := windows.get(name, deque())):
                attempts.remove(attempt)
        if attempt.has_succeeded and attempt.username in self._users:
            others = [each for each in self._users[attempt.username] if each.address != attempt.address]
            self._users[attempt.username] = deque(others)


def _window(windows: OrderedDict[str, deque[Attempt]], name: str) -> deque[Attempt]:
    """The attempts of a name within the window; starts counting the name."""
    attempts = windows.setdefault(name, deque())
    windows.move_to_end(name)
    if len(windows) > MAX_NAMES:
        windows.popitem(last=False)
    oldest = time.monotonic() - WINDOW_SECONDS
    while attempts and attempts[0].moment <= oldest:
        attempts.popleft()
    return attempts
