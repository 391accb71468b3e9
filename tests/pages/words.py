"""The texts of the pages, as they stand in templates and code, and their translations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from babel.messages.extract import extract
from babel.messages.pofile import normalize, read_po
from jinja2 import Environment

from stocky.pages.languages import DIRECTORY, LANGUAGES

PAGES = DIRECTORY.parent
TEMPLATES = PAGES / "templates"
STATIC = PAGES / "static"
TRANSLATED = [code for code in LANGUAGES if code != "en"]
PLACEHOLDER = re.compile(r"%\((\w+)\)s")

_KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "plural": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
_OPTIONS = {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
_HEADER = """\
# Translations of the pages. `make words` adds new texts and removes those that are no longer used.
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""


class Message(NamedTuple):
    """A text with its context; `plural` is its form for many."""

    context: str | None
    text: str
    plural: str | None


class Entry(NamedTuple):
    """A message with the first file that has it, and its translations: one, or two for a plural."""

    message: Message
    source: str
    translations: tuple[str, ...]


def used() -> dict[Message, str]:
    """Every text of templates and code, in the order of the files, with the first file that has it."""
    found: dict[Message, str] = {}
    for file in sorted(
        [*PAGES.rglob("*.py"), *TEMPLATES.glob("*.html")], key=lambda file: str(file.relative_to(PAGES))
    ):
        for message in _messages(file):
            found.setdefault(message, str(file.relative_to(PAGES)))
    return found


def translations(language: str) -> dict[Message, tuple[str, ...]]:
    """The entries of a language's file."""
    with (DIRECTORY / f"{language}.po").open("rb") as file:
        catalogue = read_po(file)
    found = {}
    for entry in catalogue:
        if entry.id:
            text, plural = (entry.id, None) if isinstance(entry.id, str) else entry.id
            strings = (entry.string,) if isinstance(entry.string, str) else tuple(entry.string or ())
            found[Message(entry.context, text, plural)] = strings
    return found


def written(language: str) -> str:
    """The file of a language with the texts that are used now; new ones have an empty translation."""
    known = translations(language)
    blocks = [_HEADER.format(language=language)]
    for message, source in used().items():
        strings = known.get(message, ("",) if message.plural is None else ("", ""))
        lines = [f"#: {source}"]
        if message.context is not None:
            lines.append(f"msgctxt {normalize(message.context, width=0)}")
        lines.append(f"msgid {normalize(message.text, width=0)}")
        if message.plural is None:
            lines.append(f"msgstr {normalize(strings[0], width=0)}")
        else:
            lines.append(f"msgid_plural {normalize(message.plural, width=0)}")
            lines += [f"msgstr[{index}] {normalize(string, width=0)}" for index, string in enumerate(strings)]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def environment() -> Environment:
    """One that parses the templates as that of the pages does."""
    return Environment(autoescape=True, extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True)


def _messages(file: Path) -> Iterator[Message]:
    method = "jinja2.ext:babel_extract" if file.suffix == ".html" else "python"
    with file.open("rb") as source:
        for _, text, _, context in extract(method, source, keywords=_KEYWORDS, options=_OPTIONS):
            if isinstance(text, str):
                yield Message(context, text, None)
            else:
                yield Message(context, text[0], text[1])
