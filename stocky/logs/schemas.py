"""Log records and their filter."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from msgspec import Struct

from stocky.schema import AnyCase


class LogLevel(AnyCase):
    """The severity of a record, from debug to critical."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def number(self) -> int:
        """The level's number in the standard library."""
        return logging.getLevelNamesMapping()[self.value.upper()]

    @classmethod
    def of(cls, number: int) -> LogLevel:
        """The highest level that `number` reaches."""
        return next((level for level in reversed(cls) if number >= level.number), cls.DEBUG)


class LogEntry(Struct, frozen=True):
    """One log record. `extra_data` may hold `exception`, a traceback."""

    id: int
    level: LogLevel
    message: str
    module: str
    function: str | None
    user_id: int | None
    request_id: str | None
    extra_data: dict[str, Any] | None
    created_at: datetime


class LogFilter(Struct, frozen=True):
    """Which records to list; a None field matches all."""

    level: LogLevel | None = None
    severity: LogLevel | None = None
    module: str | None = None
    search: str | None = None
    since: datetime | None = None

    def wants(self, entry: LogEntry) -> bool:
        if self.level is not None and entry.level is not self.level:
            return False
        if self.severity is not None and entry.level.number < self.severity.number:
            return False
        if self.since is not None and entry.created_at < self.since:
            return False
        if self.module is not None and self.module.casefold() not in entry.module.casefold():
            return False
        return self.search is None or self.search.casefold() in entry.message.casefold()
