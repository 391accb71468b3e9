"""Which tables, views and functions are Stocky's: those its migrations make. A backup touches no others."""

from __future__ import annotations

import re
from functools import cache

import msgspec

from stocky.backup.dump.format import Dialect
from stocky.backup.dump.tables import BOOKKEEPING
from stocky.resources import resource

_MADE = re.compile(r"^(CREATE|DROP) (TABLE|VIEW|FUNCTION) (\w+)", re.MULTILINE)


class Objects(msgspec.Struct, frozen=True):
    """Names, bookkeeping of the migrations included."""

    tables: frozenset[str]
    views: frozenset[str]
    functions: frozenset[str]


@cache
def stocky_objects(dialect: Dialect) -> Objects:
    """What a database of this version holds."""
    root = resource("migrations")
    files = [*root.glob("*.sql"), *(root / dialect).glob("*.sql")]
    made: dict[str, set[str]] = {"TABLE": set(BOOKKEEPING), "VIEW": set(), "FUNCTION": set()}
    for file in sorted(files, key=lambda file: file.name):
        if not file.name.endswith(".rollback.sql"):
            for verb, kind, name in _MADE.findall(file.read_text("utf-8")):
                (made[kind].add if verb == "CREATE" else made[kind].discard)(name)
    return Objects(frozenset(made["TABLE"]), frozenset(made["VIEW"]), frozenset(made["FUNCTION"]))
