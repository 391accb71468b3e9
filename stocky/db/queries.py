"""Loads the SQL of `sql/` by name; names are unique, and a dialect's override has the same parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

_HEADING = re.compile(r"^-- (?P<name>[a-z][a-z0-9_]*)(?P<by_column> by column)? --[ \t]*$", re.MULTILINE)
# Literals, comments and casts are matched first, so a colon inside them is not read as a parameter.
_TOKEN = re.compile(
    r"'(?:[^']|'')*' | \"(?:[^\"]|\"\")*\" | --[^\n]* | /\*.*?\*/ | :: | :(?P<parameter>[a-z_][a-z0-9_]*)",
    re.VERBOSE | re.DOTALL,
)
# Types passed to the driver unchanged; most arguments are one of these.
_PLAIN = frozenset({int, str, float, bool, bytes, type(None), datetime, date})
# SQLite's own lower() handles only ASCII. fold() is slower, so it is used only where the pattern is not ASCII.
_CONTAINS = re.compile(r"contains\((?P<column>[a-z_.]+), (?P<pattern>:[a-z_]+)\)")
_CONTAINED = {
    "sqlite": (
        r"(lower(\g<column>) LIKE \g<pattern> ESCAPE '\\'"
        r" OR (\g<pattern> GLOB '*[^ -~]*' AND fold(\g<column>) LIKE \g<pattern> ESCAPE '\\'))"
    ),
    "postgres": r"lower(\g<column>) LIKE \g<pattern> ESCAPE '\\'",
}
# The fragment is of ASCII letters and digits, three or more; FTS5 refuses NULL.
_INDEXED = re.compile(r"items_indexed_with\((?P<fragment>:[a-z_]+)\)")
_WITH_FRAGMENT = {
    "sqlite": (
        "SELECT search_index.rowid FROM search_index"
        r""" WHERE search_index MATCH '"' || coalesce(\g<fragment>, 'none') || '"'"""
    ),
    "postgres": r"SELECT search_text.item_id FROM search_text WHERE search_text.text LIKE '%' || \g<fragment> || '%'",
}
# Postgres cannot estimate json_each(), and may read a whole table to join with it; an array is looked up in the index.
_IN_LIST = re.compile(
    r"(?<!NOT )IN (?P<list>\(SELECT (?:value|lower\(value\)|CAST\(value AS BIGINT\))"
    r" FROM json_each\((?:CAST\(:[a-z_]+ AS TEXT\)|:[a-z_]+)\)\))"
)


class Query(msgspec.Struct, frozen=True):
    """One named statement: `text` with the dialect's placeholders, `parameters` in the order of its values.

    On Postgres each parameter has one value, on SQLite one for each use.

    `by_column` statements change many rows at once: each parameter is the array of one column.
    """

    name: str
    text: str
    parameters: tuple[str, ...]
    source: str
    by_column: bool = False

    def many(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        """Rows with one value for each distinct parameter, in order of first use, as the statement takes them."""
        distinct = list(dict.fromkeys(self.parameters))
        if len(distinct) == len(self.parameters):
            return rows
        positions = [distinct.index(name) for name in self.parameters]
        return [tuple(row[position] for position in positions) for row in rows]

    def values(self, arguments: dict[str, Any]) -> list[Any]:
        """The arguments in the query's order; an enum as its value, a list or set as JSON.

        Raises TypeError for a missing one.
        """
        try:
            return [_to_parameter(arguments[name]) for name in self.parameters]
        except KeyError as missing:
            raise TypeError(f"the query {self.name} needs :{missing.args[0]}") from None


def _to_parameter(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list or kind is tuple:
        return msgspec.json.encode(value).decode()
    if kind is set or kind is frozenset:
        return msgspec.json.encode(sorted(value)).decode()
    return getattr(value, "value", value)


def load_queries(directory: Path, dialect: str) -> dict[str, Query]:
    """Every query of `directory`/*.sql, overridden by those of `directory`/<dialect>/*.sql.

    A heading `-- name by column --` marks a statement whose parameters are arrays; only an override may be one, so that
    `execute_many` takes the same rows on both dialects.

    Raises ValueError for a duplicate name, a file with SQL before its first heading, or an override with different
    parameters.
    """
    shared = _load_files(sorted(directory.glob("*.sql")), dialect)
    special = _load_files(sorted((directory / dialect).glob("*.sql")), dialect)
    for name in shared.keys() & special.keys():
        # Rows of execute_many are in the order of the parameters, so that must be the same too.
        compared = tuple if special[name].by_column else set
        if compared(shared[name].parameters) != compared(special[name].parameters):
            raise ValueError(f"{special[name].source}: {name} has different parameters than in {shared[name].source}")
    return shared | special


def _load_files(files: list[Path], dialect: str) -> dict[str, Query]:
    queries: dict[str, Query] = {}
    for file in files:
        parts = _HEADING.split(file.read_text("utf-8"))
        if re.sub(r"--[^\n]*", "", parts[0]).strip():
            raise ValueError(f"{file.name}: there is SQL before the first '-- name --' heading")
        for name, by_column, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            if name in queries:
                raise ValueError(f"{file.name}: the query {name} is already in {queries[name].source}")
            query = compile_query(name, text, dialect, source=file.name)
            queries[name] = msgspec.structs.replace(query, by_column=by_column is not None)
    return queries


def compile_query(name: str, text: str, dialect: str, source: str = "") -> Query:
    """Turns `:name` into `$1` (Postgres) or `?` (SQLite), outside literals and comments.

    `contains(column, :pattern)` becomes a LIKE that ignores case in any script; :pattern must be in lower case.
    `items_indexed_with(:fragment)` becomes a SELECT of the items whose indexed text contains the fragment.
    `IN (SELECT … FROM json_each(…))` becomes `= ANY (ARRAY(…))` on Postgres.
    """
    numbered = dialect == "postgres"
    parameters: list[str] = []

    def placeholder(match: re.Match[str]) -> str:
        parameter = match["parameter"]
        if parameter is None:
            return match[0]
        # Python's sqlite3 takes a sequence of values only for `?`, which has no number, so each use has its own value.
        if not numbered or parameter not in parameters:
            parameters.append(parameter)
        return f"${parameters.index(parameter) + 1}" if numbered else "?"

    expanded = _CONTAINS.sub(_CONTAINED.get(dialect, r"\g<0>"), text)
    expanded = _INDEXED.sub(_WITH_FRAGMENT.get(dialect, r"\g<0>"), expanded)
    if dialect == "postgres":
        expanded = _IN_LIST.sub(r"= ANY (ARRAY\g<list>)", expanded)
    compiled = _TOKEN.sub(placeholder, expanded).strip().removesuffix(";")
    return Query(name, compiled, tuple(parameters), source)
