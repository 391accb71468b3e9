"""The requests of notices to the child process, and their outcome; a URL goes through a pipe, never in arguments."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from stocky.worker.messages import Request


class ServiceCheck(Request, frozen=True, kw_only=True):
    """Check whether a URL can be used, without sending."""

    entry: ClassVar[str] = "stocky.notices.service_child:check"
    url: str


class ServiceMessage(Request, frozen=True, kw_only=True):
    """Send a message to the service at `url`; `to_private` allows private addresses."""

    entry: ClassVar[str] = "stocky.notices.service_child:send"
    url: str
    subject: str
    body: str
    to_private: bool


class ServiceOutcome(msgspec.Struct, frozen=True):
    """The failure in words, without secrets; None for success."""

    error: str | None
