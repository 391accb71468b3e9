"""Sends to services such as ntfy, Gotify, Telegram, Matrix and Discord, in a child process of bounded time and number.

The child has `apprise`, so its memory and its threads are gone after each message; without that package, each attempt
says what to install. See `service_child` for the addresses that it may reach.
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

from stocky.errors import Conflict, Invalid, StockyError
from stocky.notices.requests import ServiceCheck, ServiceMessage, ServiceOutcome
from stocky.notices.texts import NoticeText
from stocky.progress import ignore_progress
from stocky.worker.process import run_worker

# For the start of the child, which imports for a second, and its attempt.
SECONDS = 40.0
AT_ONCE = 4
NOT_INSTALLED = "The package apprise is not installed; install Stocky with the extra 'notices' (pip install apprise)"


def is_available() -> bool:
    """Whether the extra `notices` is installed."""
    return find_spec("apprise") is not None


class ServiceClient:
    """The sender to services of one process."""

    def __init__(self, *, to_private: bool) -> None:
        self._to_private = to_private
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def check(self, url: str) -> None:
        """Raises Invalid for a URL that cannot be used, Conflict without `apprise`, Unavailable without a child."""
        if not is_available():
            raise Conflict(NOT_INSTALLED, field="url")
        if error := await self._run(ServiceCheck(url=url)):
            raise Invalid(f"url: {error}", field="url")

    async def send(self, url: str, text: NoticeText) -> str | None:
        """Sends a message; returns the exact failure, None for success."""
        if not is_available():
            return NOT_INSTALLED
        try:
            return await self._run(
                ServiceMessage(url=url, subject=text.subject, body=text.body, to_private=self._to_private)
            )
        except StockyError as error:
            return error.detail

    async def _run(self, request: ServiceCheck | ServiceMessage) -> str | None:
        try:
            async with asyncio.timeout(SECONDS), self._slots:
                return (await run_worker(request, ServiceOutcome, ignore_progress)).error
        except TimeoutError:
            return f"the service did not answer within {SECONDS:g} seconds"
