"""Splits migration files into statements for yoyo, whose own parser takes longer than the statements themselves.

The statements are those of yoyo's parser; a test compares them for every file.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from pathlib import Path
from typing import Any

from yoyo.migrations import StepCollector

# What may hold a semicolon that ends no statement, or ends one.
_TOKEN = re.compile(
    r"""
      --[^\n]*                              # a comment
    | /\*.*?\*/
    | '(?:[^']|'')*'                        # a text
    | "(?:[^"]|"")*"                        # a name
    | (?P<dollars>\$\w*\$).*?(?P=dollars)   # a body on Postgres
    | ;
    """,
    re.DOTALL | re.VERBOSE,
)
_COMMENTS = re.compile(r"\s*(?:--[^\n]*\n?\s*|/\*.*?\*/\s*)*", re.DOTALL)
# The body of a trigger on SQLite holds statements, and ends with END after one of them.
_TRIGGER = re.compile(r"CREATE\s+(?:TEMP\s+)?TRIGGER\b(?!.*\bEXECUTE\b)", re.IGNORECASE | re.DOTALL)
_END = re.compile(r";\s*END\s*$", re.IGNORECASE)


def load_steps(migration: Any) -> None:
    """Gives a migration of yoyo its steps."""
    path = Path(migration.path)
    rollback = path.with_suffix(".rollback.sql")
    migration.source = path.read_text("utf-8")
    backward = split(rollback.read_text("utf-8")) if rollback.is_file() else []
    collector = StepCollector(migration=migration)
    for apply, undo in zip_longest(split(migration.source), reversed(backward)):
        collector.add_step(apply, undo)
    migration.steps = collector.create_steps(True)


def split(text: str) -> list[str]:
    """The statements of a file, each with the comments before it and its semicolon."""
    statements, start = [], 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";" and not _is_within_trigger(text[start : token.start()]):
            statements.append(text[start : token.end()].strip())
            start = token.end()
    # Without a semicolon, or only comments.
    rest = text[start:].strip()
    return [*statements, rest] if _COMMENTS.fullmatch(rest) is None else statements


def _is_within_trigger(statement: str) -> bool:
    code = _COMMENTS.sub("", statement, count=1)
    return _TRIGGER.match(code) is not None and _END.search(code) is None
