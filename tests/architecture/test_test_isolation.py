"""Tests run beside one another on one Postgres server, so none looks at or ends the sessions of another's database."""

from __future__ import annotations

import ast
import re

import pytest

from tests.architecture.source import ROOT

OF_ALL_DATABASES = re.compile(r"\bFROM pg_(?:locks|stat_activity)\b")
OF_THIS_DATABASE = re.compile(r"\bLOCKS_HERE\b|\bcurrent_database\(\)")


def queries(source: str) -> list[str]:
    """The code of each string that reads what the server has of all its databases."""
    found = []
    rest: list[ast.AST] = [ast.parse(source)]
    while rest:
        node = rest.pop()
        if isinstance(node, ast.Constant | ast.JoinedStr):
            text = ast.unparse(node)
            if OF_ALL_DATABASES.search(text):
                found.append(text)
        else:
            rest += ast.iter_child_nodes(node)
    return found


def test_query_of_two_joined_strings_is_one() -> None:
    assert len(queries("""run("SELECT 1 FROM pg_locks" f" WHERE {LOCKS_HERE}")""")) == 1


@pytest.mark.parametrize("query", ["SELECT 1 FROM pg_locks", "SELECT pid FROM pg_stat_activity WHERE pid <> 0"])
def test_query_of_all_databases_is_found(query: str) -> None:
    (found,) = queries(f'run("{query}")')
    assert not OF_THIS_DATABASE.search(found)


def test_tests_look_at_their_own_database_only() -> None:
    files = [file for file in (ROOT / "tests").rglob("*.py") if file.name != "test_test_isolation.py"]
    found = {file: queries(file.read_text("utf-8")) for file in files}
    assert sum(map(len, found.values())) > 5
    foreign = {f"{file}: {query}" for file in found for query in found[file] if not OF_THIS_DATABASE.search(query)}
    assert foreign == set()
