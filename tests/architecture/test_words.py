"""Identifiers use the field's terms: none contains a word that stands for something else (see `_REPLACED`)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import modules

# The words that no identifier may contain, each with the terms to use instead.
_REPLACED = {
    "told": "message, details or description",
    "tell": "report, notify or describe",
    "kept": "stored or cached",
    "standing": "background, revoked or current",
    "peer": "client",
    "proof": "check or digest",
    "edge": "middleware or bound",
    "news": "events",
    "hear": "listen or callback",
}
# Fields of the API, which clients know, and a method of Python's files.
_GIVEN = {"kept_inactive", "kept_revoked", "tell"}
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def test_identifiers_use_the_terms_of_the_field() -> None:
    found = {
        f"{module}: {name}": [_REPLACED[part] for part in _parts(name) if part in _REPLACED]
        for module, tree in modules().items()
        for name in sorted(set(_identifiers(module, tree)) - _GIVEN)
    }
    assert {name: instead for name, instead in found.items() if instead} == {}


def test_the_words_of_an_identifier_are_found() -> None:
    assert _parts("_told") == ["told"]
    assert _parts("KEPT_BYTES") == ["kept", "bytes"]
    assert _parts("KeptAnswers") == ["kept", "answers"]
    assert _parts("newsletter2news") == ["newsletter", "news"]
    assert _parts("HTTPPeer") == ["http", "peer"]
    code = "import a.told\nclass B(peer=1):\n    def c(self, *tell): global news; d.kept = lambda edge: 0\n"
    assert set(_identifiers("x.proof", ast.parse(code))) >= {"proof", "told", "tell", "news", "kept", "edge", "c", "B"}


def _parts(name: str) -> list[str]:
    """`two_parts` and `TwoParts` as `two` and `parts`."""
    return [part.lower() for part in _PART.findall(name)]


def _identifiers(module: str, tree: ast.Module) -> Iterator[str]:
    """The module's own name, and every name that it defines or uses, except queries and other strings."""
    yield from module.split(".")
    for node in ast.walk(tree):
        for field in ("name", "asname", "id", "attr", "arg", "rest", "module"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield from value.split(".")
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names
