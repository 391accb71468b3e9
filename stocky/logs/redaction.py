"""Removes secrets from log records before they are stored or printed; every handler has this filter."""

from __future__ import annotations

import logging
import re
from typing import Any

MASK = "***"
# Longer texts are cut before the search, so that a log line costs bounded time and memory.
TEXT_LIMIT = 8_000
ITEM_LIMIT = 100
DEPTH_LIMIT = 5

_SECRET_WORD = (
    r"(?:proxy-)?authorization|(?:x-)?api[-_]?key|(?:set-)?cookie|[\w-]*(?:password|passwd|secret)[\w-]*"
    r"|(?:[\w-]*[-_])?token"
)
_SECRET_NAME = re.compile(_SECRET_WORD, re.IGNORECASE)
_PATTERNS = [
    # name: value, name=value, "name": "value" and (b'name', b'value'), including a scheme before the value.
    (
        re.compile(
            rf"""(?P<name>(?<![\w-])(?:{_SECRET_WORD})(?![\w-]))
                 (?P<between>\\?["']?\s*[:=]\s*|["']\s*,\s*)
                 (?:b?"(?:[^"\\]|\\.)*" | b?'(?:[^'\\]|\\.)*' | (?:(?:Bearer|Basic)\s+)?[^\s"',;&)}}\]]+)""",
            re.IGNORECASE | re.VERBOSE,
        ),
        rf"\g<name>\g<between>{MASK}",
    ),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\bstk_[\w-]+"), MASK),
    (re.compile(r"\bwhsec_[\w+/=-]+"), MASK),
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}"), MASK),
    (re.compile(r"(://[^/\s:@\"']*:)[^/\s\"']+@"), rf"\1{MASK}@"),
]
# Attributes of every record; all others come from `extra`.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message", "is_redacted"}


def redact(text: str) -> str:
    """The text, cut to TEXT_LIMIT characters, with passwords, tokens and keys masked."""
    if len(text) > TEXT_LIMIT:
        text = text[:TEXT_LIMIT] + "…"
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact_value(value: Any, depth: int = 0) -> Any:
    """The value as plain JSON data (dicts, lists, strings, numbers), without secrets and bounded in size."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth < DEPTH_LIMIT:
        if isinstance(value, dict):
            return {
                str(key): MASK if _SECRET_NAME.fullmatch(str(key)) else redact_value(each, depth + 1)
                for key, each in list(value.items())[:ITEM_LIMIT]
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [redact_value(each, depth + 1) for each in list(value)[:ITEM_LIMIT]]
    return redact(value if isinstance(value, str) else str(value))


def extra_of(record: logging.LogRecord) -> dict[str, Any]:
    """The `extra` attributes of the record."""
    return {name: value for name, value in vars(record).items() if name not in _USUAL}


class Redaction(logging.Filter):
    """Redacts a record once: its formatted message, its exception and its extra."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not getattr(record, "is_redacted", False):
            record.msg, record.args = redact(_message(record)), None
            if record.exc_info and not record.exc_text:
                record.exc_text = _FORMATTER.formatException(record.exc_info)
            if record.exc_text:
                record.exc_text = redact(record.exc_text)
            if record.stack_info:
                record.stack_info = redact(record.stack_info)
            record.__dict__.update(redact_value(extra_of(record)))
            record.is_redacted = True
        return True


_FORMATTER = logging.Formatter()


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        # A wrong format string must not hide the message.
        return f"{record.msg} {record.args}"
