"""Logging configuration: all records go to standard error and the memory log, both redacted."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import msgspec

from stocky.config import Config
from stocky.logs.memory import MemoryLog
from stocky.logs.redaction import Redaction, extra_of
from stocky.request_context import request_id, user_id


def configure_logging(config: Config) -> MemoryLog:
    """Sends records from the configured level up to standard error and to the returned memory log."""
    memory = MemoryLog(config.max_log_entries)
    stream = logging.StreamHandler(sys.stderr)
    stream.addFilter(Redaction())
    stream.setFormatter(JsonLines() if config.log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [stream, memory]
    root.setLevel(config.log_level)
    # Stocky logs its own start and stop; yoyo logs every statement, and httpx full URLs, which are secret for webhooks.
    for name in ("uvicorn", "yoyo", "httpx", "httpcore"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(logging.WARNING, root.level))
    return memory


class TextLines(logging.Formatter):
    """`2026-01-31T12:00:00.123Z INFO stocky.x: message [request id]`, with the traceback below."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - overrides logging's
        return _time(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - overrides logging's
        line = super().formatMessage(record)
        id = request_id.get()
        return f"{line} [{id}]" if id else line


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "module": record.name,
            "function": record.funcName,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            "user_id": user_id.get(),
            "extra_data": extra_of(record) or None,
            "exception": record.exc_text,
        }
        return msgspec.json.encode({name: value for name, value in line.items() if value is not None}).decode()


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
