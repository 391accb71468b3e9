"""docs/scaling.md lists every feature of Postgres that Stocky uses, and none that it does not."""

from __future__ import annotations

import re
from functools import cache

from tests.architecture.source import ROOT

PAGE = (ROOT / "docs" / "scaling.md").read_text("utf-8")
# Functions, catalogues and extensions, by their common prefix.
NAMES = re.compile(r"(?<![\w./-])pg_[a-z_]+")
# Programs that come with Postgres, a character class of it and a prefix of names in Python.
NO_FEATURES = frozenset({"pg_dump", "pg_restore", "pg_async"})
# What else differs between Postgres and what resembles it, each as it is written in SQL or for the driver.
CONSTRUCTS = {
    "LISTEN": r"\bLISTEN\b|add_listener",
    "NOTIFY": r"\bNOTIFY\b",
    "FOR UPDATE": r"\bFOR UPDATE\b",
    "FOR NO KEY UPDATE": r"\bFOR NO KEY UPDATE\b",
    "FOR SHARE": r"\bFOR SHARE\b",
    "FOR KEY SHARE": r"\bFOR KEY SHARE\b",
    "SKIP LOCKED": r"\bSKIP LOCKED\b",
    "NOWAIT": r"\bNOWAIT\b",
    "LOCK TABLE": r"\bLOCK TABLE\b",
    "REPEATABLE READ": r"\bREPEATABLE READ\b|repeatable_read",
    "SERIALIZABLE": r"\bISOLATION LEVEL SERIALIZABLE\b|isolation=\"serializable\"",
    "CREATE SCHEMA": r"\bCREATE SCHEMA\b",
    "DROP SCHEMA": r"\bDROP SCHEMA\b",
    "SET SCHEMA": r"\bSET SCHEMA\b",
    "search_path": r"\bsearch_path\b",
    "COPY": r"\bCOPY\b.*\b(?:FROM|TO)\b|copy_records_to_table|copy_from_query",
    "TRUNCATE": r"\bTRUNCATE\b",
    "ANALYZE": r"\bANALYZE\b",
    "VACUUM": r"\bVACUUM\b",
    "DISABLE TRIGGER": r"\bDISABLE TRIGGER\b",
    "ON CONFLICT": r"\bON CONFLICT\b",
    "CREATE TRIGGER": r"\bCREATE TRIGGER\b",
    "plpgsql": r"\bplpgsql\b",
    "DO": r"\bDO \$",
    "GENERATED": r"\bGENERATED (?:ALWAYS|BY DEFAULT)\b",
    "nextval": r"\bnextval\b",
    "setval": r"\bsetval\b",
    "WITH RECURSIVE": r"\bWITH RECURSIVE\b",
    "MATERIALIZED": r"\bAS (?:NOT )?MATERIALIZED\b",
    "MATERIALIZED VIEW": r"\bMATERIALIZED VIEW\b",
    "OVER": r"\bOVER \(",
    "LATERAL": r"\bLATERAL\b",
    "DISTINCT ON": r"\bDISTINCT ON\b",
    "MERGE": r"\bMERGE INTO\b",
    "RETURNING": r"\bRETURNING\b",
    "unnest": r"\bunnest\(",
    "json_each": r"\bjson_each\(",
    "CREATE VIEW": r"\bCREATE VIEW\b",
    "COLLATE": r"\bCOLLATE\b",
    "CREATE EXTENSION": r"\bCREATE EXTENSION\b",
    "USING gin": r"\bUSING gin\b",
    "USING gist": r"\bUSING gist\b",
    "EXCLUDE": r"\bEXCLUDE USING\b",
    "tsvector": r"\btsvector\b",
    "TEMPORARY TABLE": r"\bTEMP(?:ORARY)? TABLE\b",
    "UNLOGGED": r"\bUNLOGGED\b",
    "SAVEPOINT": r"\bSAVEPOINT\b",
    "DEFERRABLE": r"\bDEFERRABLE\b",
    "PARTITION BY": r"\bPARTITION BY (?:RANGE|LIST|HASH)\b",
    "CONCURRENTLY": r"\bCONCURRENTLY\b",
    "NULLS NOT DISTINCT": r"\bNULLS NOT DISTINCT\b",
    "set_config": r"\bset_config\b",
    "SET LOCAL": r"\bSET LOCAL\b",
    "lock_timeout": r"\block_timeout\b",
    "statement_timeout": r"\bstatement_timeout\b",
    "session_replication_role": r"\bsession_replication_role\b",
    "PREPARE TRANSACTION": r"\bPREPARE TRANSACTION\b",
    "jit": r"\"jit\"",
}


@cache
def _sources() -> str:
    """What runs on Postgres: shared and special SQL, migrations, and the modules that send SQL of their own."""
    files = [
        *(ROOT / "sql").glob("*.sql"),
        *(ROOT / "sql" / "postgres").glob("*.sql"),
        *(ROOT / "migrations").glob("*.sql"),
        *(ROOT / "migrations" / "postgres").glob("*.sql"),
        *(file for file in (ROOT / "stocky").rglob("*.py") if "sqlite" not in file.name),
    ]
    return "\n".join(_without_comments(file.read_text("utf-8"), file.suffix) for file in files)


def _without_comments(text: str, suffix: str) -> str:
    return re.sub(r"--[^\n]*" if suffix == ".sql" else r"(?m)^\s*#[^\n]*", "", text)


def _listed() -> set[str]:
    """What the first column of the table names."""
    rows = re.findall(r"^\| (.*?) \| .* \|$", PAGE, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_page_lists_exactly_the_functions_and_catalogues_in_use() -> None:
    used = set(NAMES.findall(_sources())) - NO_FEATURES
    assert {each for each in _listed() if each.startswith("pg_")} == used


def test_page_lists_exactly_the_constructs_in_use() -> None:
    used = {name for name, pattern in CONSTRUCTS.items() if re.search(pattern, _sources())}
    assert {each for each in _listed() if not each.startswith("pg_")} == used
