"""The templates keep to the content security policy, and refer only to files and icons that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import nodes

from stocky.pages import assets
from tests.pages import words

TEMPLATES = sorted(words.TEMPLATES.glob("*.html"))
# An attribute, not the end of a word such as data-action.
INLINE = re.compile(r"""(?<![\w-])(?:style|on[a-z]+)\s*=\s*["'{]""", re.IGNORECASE)
SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)", re.IGNORECASE)
ELSEWHERE = re.compile(r"""(?:https?:)?//(?!www\.w3\.org/)[\w.]""")
IN_MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
UNSAFE = re.compile(r"\|\s*safe\b|\bautoescape\b")


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_template_has_nothing_inline_and_loads_nothing_from_elsewhere(file: Path) -> None:
    source = file.read_text("utf-8")
    markup = IN_MARKUP.sub("", source)
    assert INLINE.findall(markup) == []
    assert SCRIPT.findall(markup) == []
    assert "<style" not in markup.lower()
    assert ELSEWHERE.findall(markup) == []
    assert UNSAFE.findall(source) == [], "HTML is made by templates and escaped by Jinja"


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_assets_of_a_template_exist(file: Path) -> None:
    names = set()
    for call in words.environment().parse(file.read_text("utf-8")).find_all(nodes.Call):
        called = call.node.name if isinstance(call.node, nodes.Name) else getattr(call.node, "attr", "")
        if called in ("asset", "module") and isinstance(call.args[0], nodes.Const):
            names.add(call.args[0].value)
    assert names - assets.assets().files.keys() == set()


def test_what_a_module_imports_is_asked_for_with_it() -> None:
    for file in assets.DIRECTORY.glob("*.js"):
        found = assets.imported(file.name)
        assert len(found) == len(set(found))
        for name in (file.name, *found):
            source = (assets.DIRECTORY / name).read_text("utf-8")
            assert set(re.findall(r"""\bfrom\s+["']\./([^"']+)""", source)) - set(found) == set(), file.name


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_addresses_of_a_template_have_the_base_path(file: Path) -> None:
    """By url() or asset(); a path written as it is would miss the base path."""
    markup = IN_MARKUP.sub("", file.read_text("utf-8"))
    assert re.findall(r"""(?:href|src|action|formaction|poster)\s*=\s*["']/[^"']*""", markup) == []


def test_inline_code_is_found() -> None:
    assert INLINE.findall('<p style="x">')
    assert INLINE.findall("<p onclick='x'>")
    assert INLINE.findall('<p data-on="x" data-style="y" class="on">') == []
    assert SCRIPT.findall("<script>x</script>")
    assert SCRIPT.findall('<script type="module">')
    assert SCRIPT.findall('<script type="module" src="x"></script>') == []
    assert ELSEWHERE.findall("https://cdn.example/x.js")
    assert ELSEWHERE.findall("//cdn.example")


def test_long_words_of_messages_are_hyphenated() -> None:
    style = (assets.DIRECTORY / "app.css").read_text("utf-8")
    assert ".result, .error { hyphens: auto; }" in style
    # By the language of the page.
    assert '<html lang="{{ language }}"' in (words.TEMPLATES / "base.html").read_text("utf-8")


def test_dark_colours_are_the_same_by_device_and_by_choice() -> None:
    style = (assets.DIRECTORY / "app.css").read_text("utf-8")
    by_device, by_choice = (
        re.search(re.escape(selector) + r" \{(.*?)\}", style, re.DOTALL)
        for selector in (':root:not([data-theme="light"])', ':root[data-theme="dark"]')
    )
    assert by_device is not None
    assert by_choice is not None
    assert by_device[1].split() == by_choice[1].split()
