"""Migration files are split into the statements that yoyo's own parser finds in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlparse

from stocky.db.migration_steps import split
from tests.serving import ROOT

FILES = sorted((ROOT / "migrations").rglob("*.sql"))
_COMMENTS = re.compile(r"\s*(?:--[^\n]*(?:\n\s*|$))*")


def bare(statement: str) -> str:
    """The statement without the comments before it, which yoyo gives to one or the other statement."""
    return _COMMENTS.sub("", statement, count=1).strip()


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_statements_are_those_of_yoyo(file: Path) -> None:
    text = file.read_text("utf-8")
    expected = [each for each in map(bare, sqlparse.split(text)) if each]
    assert [bare(each) for each in split(text)] == expected
    assert "".join("".join(split(text)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("-- only a comment; nothing more\n", 0),
        ("SELECT ';', \";\", 'it''s;' -- ;\n, /* ; */ 1; SELECT 2", 2),
        ("SELECT 1 -- it's one;\n;SELECT 2;", 2),
        ("CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE WHEN 1 THEN 2 END; SELECT 3; END; SELECT 4;", 2),
        ("CREATE FUNCTION f() AS $$ BEGIN; END; $$; CREATE TRIGGER t BEFORE UPDATE ON a EXECUTE FUNCTION f();", 2),
        ("DO $x$ $$;$$ ';' $x$; SELECT 1;", 2),
    ],
)
def test_semicolons_that_end_no_statement(text: str, count: int) -> None:
    assert len(split(text)) == count
