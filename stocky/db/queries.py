"""Loads the SQL of `sql/` by name; names are unique, and a dialect's override has the same parameters."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from stocky.errors import Invalid

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
# `ORDER BY /* sort: id; name = lower(name) */ id` names the keys that clients can sort a list by, and
# `ORDER BY /* sort: like list_items */ id` those of another query.
_SORT = re.compile(r"ORDER BY /\* sort: (?P<keys>[^*]+?)\s*\*/\s*(?P<own>[^\n;]*)")
# An order that can be reversed by a DESC after each column.
_COLUMNS = re.compile(r"[a-z_.]+(?:, [a-z_.]+)*")
_SORTS_LIKE = re.compile(r"/\* sort: like (?P<name>[a-z_]+) \*/")
_NULLS_LAST = " NULLS LAST"
_PAGE = re.compile(r"(?:ORDER BY /\* sort: [^*]+\*/[^;]*?)?\bLIMIT :limit OFFSET :skip")
# The rows of a page, where what follows adds columns only.
_PAGE_ROWS = re.compile(r"(?:\s*--[^\n]*\n)*\s*WITH page AS \((?P<rows>.+?)\n\)", re.DOTALL)
# The fragment is of ASCII letters and digits, three or more; FTS5 refuses NULL.
_INDEXED = re.compile(r"items_indexed_with\((?P<fragment>:[a-z_]+)\)")
_WITH_FRAGMENT = {
    "sqlite": (
        "SELECT search_index.rowid FROM search_index"
        r""" WHERE search_index MATCH '"' || coalesce(\g<fragment>, 'none') || '"'"""
    ),
    "postgres": r"SELECT search_text.item_id FROM search_text WHERE search_text.text LIKE '%' || \g<fragment> || '%'",
}
# A location and all that are in it, however deep.
_WITHIN = re.compile(r"locations_within\((?P<location>:[a-z_]+)\)")
_LOCATIONS_WITHIN = (
    r"WITH RECURSIVE within (id) AS (SELECT CAST(\g<location> AS BIGINT)"
    r" UNION SELECT child.id FROM within JOIN location AS child ON child.parent_id = within.id)"
    r" SELECT within.id FROM within"
)
# The items with a value in each of :count filters of custom fields. :ranges lists, for each field with the name of a
# filter, its id and the first and the last key of the values; an item has only the fields of its own type.
_FIELDS = re.compile(r"items_with_fields\((?P<ranges>:[a-z_]+), (?P<count>:[a-z_]+)\)")
_RANGES = {
    "sqlite": (
        r"SELECT json_extract(value, '$[0]') AS field_id, json_extract(value, '$[1]') AS first_key,"
        r" json_extract(value, '$[2]') AS last_key FROM json_each(\g<ranges>)"
    ),
    "postgres": (
        r"SELECT CAST(listed ->> 0 AS BIGINT) AS field_id, listed ->> 1 AS first_key, listed ->> 2 AS last_key"
        r" FROM json_array_elements(CAST(CAST(\g<ranges> AS TEXT) AS JSON)) AS listed"
    ),
}
_WITH_FIELDS = (
    r"SELECT owner.id FROM ({ranges}) AS wanted"
    r" JOIN item_field ON item_field.id = wanted.field_id"
    r" JOIN item_field_value ON item_field_value.field_id = wanted.field_id"
    r" AND item_field_value.value_key BETWEEN wanted.first_key AND wanted.last_key"
    r" JOIN item AS owner ON owner.id = item_field_value.item_id AND owner.type_id = item_field.type_id"
    r" GROUP BY owner.id HAVING count(*) = CAST(\g<count> AS BIGINT)"
)
# Postgres cannot estimate json_each(), and may read a whole table to join with it; an array is looked up in the index.
_IN_LIST = re.compile(
    r"(?<!NOT )IN (?P<list>\(SELECT (?:value|lower\(value\)|CAST\(value AS BIGINT\))"
    r" FROM json_each\((?:CAST\(:[a-z_]+ AS TEXT\)|:[a-z_]+)\)\))"
)


class Query(msgspec.Struct, frozen=True):
    """One named statement: `text` with the dialect's placeholders, `parameters` in the order of its values.

    On Postgres each parameter has one value, on SQLite one for each use.

    `by_column` statements change many rows at once: each parameter is the array of one column. `written` is the
    statement as it is in `sql/`.
    """

    name: str
    text: str
    parameters: tuple[str, ...]
    source: str
    by_column: bool = False
    written: str = ""

    @property
    def sorts_like(self) -> str | None:
        """The query whose sort keys this one has."""
        found = _SORTS_LIKE.search(self.written)
        return found["name"] if found else None

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


class Queries(dict[str, Query]):
    """Queries by name. `list_items by name,-id` is a list in another order, `list_items counted` its number of rows.

    Raises Invalid for an order that the list does not have.
    """

    def __init__(self, queries: Mapping[str, Query], dialect: str) -> None:
        super().__init__(queries)
        self._dialect = dialect

    def __missing__(self, name: str) -> Query:
        base, _, variant = name.partition(" ")
        if not variant:
            raise KeyError(name)
        if variant == "counted":
            return _counted(self[base], self._dialect)
        return _ordered(self[base], self.sort_keys(base), variant.removeprefix("by "), self._dialect)

    def sort_keys(self, name: str) -> Mapping[str, str]:
        """What a list can be sorted by, and the SQL of each."""
        return _sort_keys(self[self[name].sorts_like or name].written)


@functools.cache
def _sort_keys(written: str) -> Mapping[str, str]:
    found = _SORT.search(written)
    if found is None:
        return {}
    keys = (each.partition("=") for each in " ".join(found["keys"].split()).split(";"))
    return {name.strip(): (expression or name).strip() for name, _, expression in keys}


def _ordered(query: Query, keys: Mapping[str, str], order: str, dialect: str) -> Query:
    """The query with these keys before those of its own order."""
    terms = []
    for key in order.split(","):
        name = key.removeprefix("-")
        if name not in keys:
            known = f"; use {', '.join(keys)}, with - in front for the reverse" if keys else ""
            raise Invalid(f"sort: this list cannot be sorted by {name!r}{known}", field="sort")
        # Without this, NULLs are first on SQLite and last on Postgres.
        nulls = _NULLS_LAST if keys[name].endswith(_NULLS_LAST) else ""
        terms.append(f"{keys[name].removesuffix(_NULLS_LAST)}{' DESC' if key != name else ''}{nulls}")
    return _in_order(query, tuple(terms), dialect)


@functools.lru_cache(maxsize=500)
def _in_order(query: Query, terms: tuple[str, ...], dialect: str) -> Query:
    def replace(found: re.Match[str]) -> str:
        own = found["own"]
        if all(term.removesuffix(_NULLS_LAST).endswith(" DESC") for term in terms) and _COLUMNS.fullmatch(own):
            # The whole order is reversed then, so that the same index serves it.
            own = own.replace(",", " DESC,") + " DESC"
        return f"ORDER BY {', '.join([*terms, own])}"

    return compile_query(query.name, _SORT.sub(replace, query.written), dialect, source=query.source)


@functools.lru_cache(maxsize=100)
def _counted(query: Query, dialect: str) -> Query:
    """The number of rows of all pages of a list, without what is only read for the rows of its `page`."""
    found = _PAGE_ROWS.match(query.written)
    text = _PAGE.sub("", found["rows"] if found else query.written).strip().removesuffix(";")
    text = f"SELECT count(*) FROM ({text}) AS counted"  # noqa: S608 - a statement of sql/, whose values stay parameters
    return compile_query(query.name, text, dialect, source=query.source)


def load_queries(directory: Path, dialect: str) -> Queries:
    """Every query of `directory`/*.sql, overridden by those of `directory`/<dialect>/*.sql; read once per process.

    A heading `-- name by column --` marks a statement whose parameters are arrays; only an override may be one, so that
    `execute_many` takes the same rows on both dialects.

    Raises ValueError for a duplicate name, a file with SQL before its first heading, or an override with different
    parameters.
    """
    return Queries(_read_queries(directory, dialect), dialect)


@functools.cache
def _read_queries(directory: Path, dialect: str) -> Mapping[str, Query]:
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
    `locations_within(:location_id)` becomes a SELECT of the location and of all that are in it.
    `items_with_fields(:ranges, :count)` becomes a SELECT of the items with values in these ranges of custom fields.
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
    expanded = _WITHIN.sub(_LOCATIONS_WITHIN, expanded)
    expanded = _FIELDS.sub(_WITH_FIELDS.format(ranges=_RANGES[dialect]) if dialect in _RANGES else r"\g<0>", expanded)
    if dialect == "postgres":
        expanded = _IN_LIST.sub(r"= ANY (ARRAY\g<list>)", expanded)
    expanded = _SORT.sub(r"ORDER BY \g<own>", expanded)
    compiled = _TOKEN.sub(placeholder, expanded).strip().removesuffix(";")
    return Query(name, compiled, tuple(parameters), source, written=text)
