"""Texts of the pages: written in English where they are used, translated by the `.po` files of this directory.

A catalogue is read for the first page in its language. A text without a translation is shown in English.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from litestar import Request

ENGLISH = "en"
# By code, as people choose them: each in its own language.
LANGUAGES = {"en": "English", "de": "Deutsch"}
DIRECTORY = Path(__file__).resolve().parent
# Browsers send about five; a longer header would only cost time.
_MOST_PREFERENCES = 20

# The language of the page that is being rendered.
current: ContextVar[str] = ContextVar("language", default=ENGLISH)

# An English text, its context and its texts for one and for many; the translations for one and for many.
Catalogue = dict[tuple[str | None, str], tuple[str, ...]]


class Text:
    """A text of Python code, translated when it is printed on a page.

    As in templates, values replace `%(name)s`, and a percent sign is written `%%`.
    """

    __slots__ = ("_number", "_plural", "_values", "message")

    def __init__(
        self, message: str, values: dict[str, Any], plural: str | None = None, number: float | None = None
    ) -> None:
        self.message = message
        self._values = values
        self._plural = plural
        self._number = number

    def __str__(self) -> str:
        language = current.get()
        if self._plural is None or self._number is None:
            text = gettext(language, self.message)
        else:
            text = ngettext(language, self.message, self._plural, self._number)
        return text % self._values

    def with_values(self, values: dict[str, Any]) -> Text:
        """The same text with values."""
        return Text(self.message, values)


def _(message: str, **values: Any) -> Text:
    """Marks a text for translation: `_("Saved")`, `_("%(name)s is on the list", name=item.name)`."""
    return Text(message, values)


def plural(one: str, many: str, number: float, **values: Any) -> Text:
    """A text that depends on a number, which is its `%(num)s`: `plural("%(num)s item", "%(num)s items", count)`."""
    return Text(one, {"num": number, **values}, many, number)


def language_of(request: Request[Any, Any, Any]) -> str:
    """The language of a page: the account's, else the browser's first one that Stocky has, else English."""
    principal = request.scope.get("user")
    chosen = getattr(principal, "language", None)
    return chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))


@contextmanager
def language_context(request: Request[Any, Any, Any]) -> Iterator[None]:
    """Sets the language of a request for the block."""
    token = current.set(language_of(request))
    try:
        yield
    finally:
        current.reset(token)


def preferred(accept_language: str) -> str:
    """The best language for an Accept-Language header (RFC 9110, section 12.5.4)."""
    best, best_weight = ENGLISH, 0.0
    for each in accept_language.split(",")[:_MOST_PREFERENCES]:
        tag, _, parameter = each.partition(";")
        code = tag.strip().partition("-")[0].lower()
        weight = _weight(parameter)
        if code in LANGUAGES and weight > best_weight:
            best, best_weight = code, weight
    return best


def gettext(language: str, message: str, context: str | None = None) -> str:
    """The translation of a text, or the text."""
    return catalogue(language).get((context, message), (message,))[0]


def ngettext(language: str, one: str, many: str, number: float, context: str | None = None) -> str:
    """The translation for a number. English and German both have one form for 1 and one for all others."""
    return catalogue(language).get((context, one), (one, many))[0 if number == 1 else -1]


@functools.cache
def catalogue(language: str) -> Catalogue:
    """All translations into a language. Reads a file; empty for English."""
    if language == ENGLISH:
        return {}
    from babel.messages.pofile import read_po

    found: Catalogue = {}
    with (DIRECTORY / f"{language}.po").open("rb") as file:
        for message in read_po(file):
            translations = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
            # A text without a translation is shown in English.
            if message.id and translations and all(translations):
                name = message.id if isinstance(message.id, str) else message.id[0]
                found[message.context, name] = translations
    return found


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
