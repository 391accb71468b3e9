"""Words: every text of the pages is marked for translation, and translated into every language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import nodes

from stocky.backup.archive.reading import content_warnings
from stocky.backup.dump.foreign_objects import foreign_objects_warnings
from stocky.barcodes.reader import read_here
from stocky.catalogue.schemas import ItemChange, NewItem
from stocky.imports.fields import FIELDS
from stocky.pages.audit_words import FIELD_NAMES
from stocky.pages.explanations import EXPLANATIONS
from stocky.pages.import_forms import FIELD_WORDS
from stocky.pages.languages import DIRECTORY, catalogue, current, gettext, ngettext, plural, preferred
from stocky.pages.messages import message, translate
from stocky.stock.models import LotKey
from tests.pages import words

TEMPLATES = sorted(words.TEMPLATES.glob("*.html"))
SCRIPTS = sorted(words.STATIC.glob("*.js"))

# Names, which no language changes, and examples of input.
NAMES = {"Stocky", "stk"}
SPOKEN = {"title", "placeholder", "aria-label", "alt", "aria-description", "aria-roledescription"}
# Their content is not prose.
CODE = {"code", "kbd", "script", "style", "svg"}
LETTERS = re.compile(r"[^\W\d_]{2,}")

# What scripts hand to the browser, not to people: names of keys and headers.
NOT_SHOWN = re.compile(
    r"(?:Enter|Escape|Tab|Home|End|Backspace|Delete|Shift|Control|Alt|Meta|Space|Page(?:Up|Down)|Arrow\w+|Unidentified)"
    r"|(?:Accept|Content|Authorization|Cache|Cookie|Origin|Vary)(?:-\w+)*"
    r"|(?:Abort|NotAllowed|NotFound|Quota\w*|Timeout|Type|Network)Error"
)
PROSE = re.compile(r"[A-Z][a-z]{2,}|.*[A-Za-z]{2,}[,;:.!?…]? [A-Za-z]{2,}.*", re.DOTALL)
# A literal with one of these is a selector, a query of media or a piece of markup.
CODE_LIKE = re.compile(r"[<>\[\]{}#=_|/\\()]|^use strict$|^\.|\s\.|--|^[a-z-]+([ ,]+[a-z-]+)*$")
SCRIPT_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`""", re.DOTALL
)


@pytest.mark.parametrize("language", words.TRANSLATED)
def test_every_text_is_translated(language: str) -> None:
    translations = words.translations(language)
    assert set(words.used()) - set(translations) == set(), "make words adds them"
    assert set(translations) - set(words.used()) == set(), "make words removes them"
    missing = [each.text for each, strings in translations.items() if not all(strings)]
    assert missing == [], f"translate them in stocky/pages/languages/{language}.po"


def test_every_field_of_an_item_has_a_name_in_the_history() -> None:
    fields = {*NewItem.__struct_fields__, *ItemChange.__struct_fields__}
    # The history says that it is the main barcode.
    assert fields - FIELD_NAMES.keys() == set(), "name it in stocky/pages/audit_words.py"


def test_every_column_of_an_import_has_a_name() -> None:
    assert {field.name for field in FIELDS} <= FIELD_WORDS.keys(), "name it in stocky/pages/import_forms.py"
    meanings = {field.meaning for field in FIELDS}
    assert meanings <= {each.message for each in EXPLANATIONS}, "add it to stocky/pages/explanations.py"


def test_warnings_and_wrong_barcodes_are_translated() -> None:
    scanned = read_here("(01)04006381333932", ())
    texts = [
        scanned.problem or "",
        *foreign_objects_warnings(["table notes"]),
        *content_warnings(1, 2),
        *content_warnings(3, 1),
    ]
    assert [text for text in texts if translate("de", text) == text] == []


@pytest.mark.parametrize("language", words.TRANSLATED)
def test_translations_have_the_same_placeholders(language: str) -> None:
    different = {}
    for each, strings in words.translations(language).items():
        wanted = set(words.PLACEHOLDER.findall(each.text + (each.plural or "")))
        assert len(strings) == (1 if each.plural is None else 2), each
        for string in strings:
            found = set(words.PLACEHOLDER.findall(string))
            # The form for one may say "one" instead of the number.
            if found != wanted and not (each.plural and string == strings[0] and found < wanted):
                different[each.text] = string
    assert different == {}


@pytest.mark.parametrize("language", words.TRANSLATED)
def test_file_is_as_the_command_writes_it(language: str) -> None:
    assert (DIRECTORY / f"{language}.po").read_text("utf-8") == words.written(language), "run make words"


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_template_marks_every_text(file: Path) -> None:
    assert list(_bare_texts(file.read_text("utf-8"))) == []


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_script_shows_no_text_of_its_own(file: Path) -> None:
    """Words reach scripts by `<template>` elements and data attributes of the page."""
    assert list(_shown_literals(file.read_text("utf-8"))) == []


def test_bare_texts_are_found() -> None:
    source = """<p title="Go">Bare {{ _("Marked") }}</p>{% trans n=1 %}Marked {{ n }}{% endtrans %}
    {# A comment #}<b>{{ ui.button("Save") }} {{ ui.button(_("Save"), "primary", name="x") }}</b><code>abc</code>"""
    assert list(_bare_texts(source)) == ["Go", "Bare", "Save"]


def test_shown_literals_are_found() -> None:
    source = """// A comment here
    const a = "Saved", b = 'Try again.', c = "a.button > span", d = "Enter", e = `That did ${not} work`;
    "use strict"; x.classList.add("one two");"""
    assert list(_shown_literals(source)) == ["Saved", "Try again.", "That did  work"]


def test_language_of_the_browser() -> None:
    assert preferred("de-AT,de;q=0.9,en;q=0.8") == "de"
    assert preferred("fr, en;q=0.5, de;q=0.7") == "de"
    assert preferred("en-US,de;q=0.9") == "en"
    for header in ("", "fr", "de;q=0", "de;q=x", ",;,", "*", "x" * 10_000 + "," * 10_000):
        assert preferred(header) == "en", header[:20]


def test_texts_are_translated_when_they_are_printed() -> None:
    text = plural("%(num)s unknown thing", "%(num)s unknown things", 2)
    assert str(text) == "2 unknown things"
    assert str(plural("%(num)s unknown thing", "%(num)s unknown things", 1)) == "1 unknown thing"
    assert catalogue("en") == {}
    assert gettext("de", "Save") == "Speichern"
    assert gettext("de", "No such text") == "No such text"
    assert ngettext("de", "No such", "No such many", 3) == "No such many"


def test_words_with_two_meanings_have_two_translations() -> None:
    assert gettext("de", "Dismiss", "job") == "Abhaken"
    assert gettext("de", "Dismiss") == "Verwerfen"


def test_messages_of_the_api_are_translated() -> None:
    token = current.set("de")
    try:
        assert message("must have at least 8 characters") == "muss mindestens 8 Zeichen haben"
        assert message("nothing that is known") == "nothing that is known"
        # Of texts that fit, the first one counts.
        lot = LotKey(lot="L (1)", serial="X1").describe()
        assert message(f"Only 0.5 of Ada{lot} in stock; 1 requested") == (
            "Nur 0.5 von Ada (Charge L (1), Seriennummer X1) im Bestand, nicht 1"
        )
        assert message("Only 0 of Ada in stock; 1 requested; 3 elsewhere") == (
            "Nur 0 von Ada im Bestand, nicht 1; anderswo 3"
        )
    finally:
        current.reset(token)
    assert message("must have at least 8 characters") == "must have at least 8 characters"


@pytest.mark.parametrize(
    ("english", "german"),
    [
        (
            "Job 5 is queued; only a job that failed or was cancelled can be run again",
            "Auftrag 5 kann nicht noch einmal ausgeführt werden (Stand: wartend); das geht nur mit einem"
            " fehlgeschlagenen oder abgebrochenen",
        ),
        ("Job 5 was run again already; it is running", "Auftrag 5 wurde schon noch einmal ausgeführt (Stand: läuft)"),
        (
            "Job 5 is done; only a failed job can be dismissed",
            "Auftrag 5 kann nicht abgehakt werden (Stand: fertig); das geht nur mit einem fehlgeschlagenen",
        ),
        ("Job 5 has ended; it is cancelled", "Auftrag 5 ist beendet (Stand: abgebrochen)"),
        (
            "The location 5 is no longer in use; make it active again first",
            "Der Lagerort 5 ist nicht mehr in Gebrauch; erst wieder einblenden",
        ),
        (
            "The model's server ai.example answered 302: redirects are not followed; set STOCKY_AI_BASE_URL to the"
            " redirect's target",
            "Der Server des Modells ai.example hat mit 302 geantwortet: Weiterleitungen werden nicht befolgt; in"
            " STOCKY_AI_BASE_URL das Ziel der Weiterleitung angeben",
        ),
        (
            "The model's server ai.example accepts no more requests now, wait 20 seconds (quota)",
            "Der Server des Modells ai.example nimmt jetzt keine Anfragen mehr an, 20 Sekunden warten (quota)",
        ),
        (
            "The model's answer could not be read (Not enough memory)",
            "Die Antwort des Modells war nicht lesbar (Not enough memory)",
        ),
        (
            "Access denied. ada, who accepted the datasheet, may no longer add documents",
            "Zugriff verweigert. ada hat das Datenblatt angenommen und darf keine Dokumente mehr hinzufügen",
        ),
        (
            "The suggestion was decided meanwhile, so its datasheet was not stored",
            "Über den Vorschlag wurde inzwischen entschieden, darum wurde sein Datenblatt nicht gespeichert",
        ),
        (
            "Webhook 3 was disabled: its receiver has accepted nothing since 2026-01-31 12:00 UTC; it answered 503",
            "Webhook 3 wurde abgeschaltet: Der Empfänger hat seit 2026-01-31 12:00 UTC nichts angenommen. Der Empfänger"
            " hat mit 503 geantwortet",
        ),
        (
            "its receiver answered 410: it accepts no more messages",
            "Der Empfänger hat mit 410 geantwortet: Er nimmt keine Nachrichten mehr an",
        ),
        (
            "answered 302: redirects are not followed; set the url to the redirect's target",
            "Der Empfänger hat mit 302 geantwortet: Weiterleitungen werden nicht befolgt; als Adresse das Ziel der"
            " Weiterleitung angeben",
        ),
        (
            "hook.example has the private address 10.0.0.1; webhooks are sent to public addresses only. To allow it,"
            " set STOCKY_WEBHOOKS_TO_PRIVATE=true and restart Stocky",
            "hook.example hat die private Adresse 10.0.0.1, und Webhooks gehen nur an öffentliche. Um es zu erlauben,"
            " STOCKY_WEBHOOKS_TO_PRIVATE=true setzen und Stocky neu starten",
        ),
        ("'lots' is not a number", "'lots' ist keine Zahl"),
        ("'lots' is not a number (and 2 more)", "'lots' ist keine Zahl (und 2 weitere)"),
        (
            "'1.2.26' is not a date in the order year, month, day",
            "'1.2.26' ist kein Datum in der Reihenfolge Jahr, Monat, Tag",
        ),
        (
            "Invalid gzip file: it is packed with xz; unpack it with 'unxz'",
            "Ungültige gzip-Datei: mit xz gepackt; entpacken mit 'unxz'",
        ),
        (
            "The backup is damaged: something follows its last line",
            "Die Sicherung ist beschädigt: auf die letzte Zeile folgt etwas",
        ),
        (
            "box 3 has 2 other things of type Screws; box 4 becomes empty",
            "in Box 3 sind 2 andere Dinge vom Typ Screws; Box 4 wird leer",
        ),
        ("box 3 has another thing of tag M3, brass", "in Box 3 ist noch etwas mit dem Schlagwort M3, brass"),
        ("12.5 of it are in Box 3 / 7 already", "12.5 davon sind schon in Box 3 / 7"),
        (
            "(17) 269999 is not a date; book it by the number alone",
            "(17) 269999 ist kein Datum; nur mit der Nummer buchen",
        ),
        (
            "Not in the backup, because these objects are not Stocky's: table notes",
            "Nicht in der Sicherung, weil diese Objekte nicht von Stocky sind: table notes",
        ),
    ],
)
def test_message_is_translated_whole(english: str, german: str) -> None:
    """Where two patterns match a message, the one that says more comes first; states of jobs are translated, too."""
    assert translate("de", english) == german


def _bare_texts(source: str) -> Iterator[str]:
    """The texts of a template that are not marked for translation."""
    environment = words.environment()
    html: list[str] = []
    in_translation = False
    tokens = list(environment.lex(source))
    for index, (_, kind, value) in enumerate(tokens):
        if kind == "block_begin":
            name = next(each for _, what, each in tokens[index + 1 :] if what == "name")
            in_translation = name == "trans" or (in_translation and name != "endtrans")
        elif kind == "data" and not in_translation:
            html.append(value)
        elif kind == "variable_begin":
            html.append("\0")
    parser = _Texts()
    parser.feed("".join(html))
    yield from parser.found
    for call in environment.parse(source).find_all(nodes.Call):
        if (
            isinstance(call.node, nodes.Getattr)
            and isinstance(call.node.node, nodes.Name)
            and call.node.node.name == "ui"
        ):
            for argument in [*call.args, *(each.value for each in call.kwargs)]:
                if isinstance(argument, nodes.Const) and re.match(
                    r"[A-Z][a-z]", argument.value if isinstance(argument.value, str) else ""
                ):
                    yield argument.value


class _Texts(HTMLParser):
    """Collects what people read, or hear."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in CODE:
            self._open.append(tag)
        self.found += [value for name, value in attrs if name in SPOKEN and value and _is_prose(value)]

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            self._open.remove(tag)

    def handle_data(self, data: str) -> None:
        # A macro for attributes is not within a tag.
        if not self._open and '="' not in data:
            self.found += [each.strip() for each in data.split("\0") if _is_prose(each)]


def _is_prose(text: str) -> bool:
    return not set(LETTERS.findall(text.replace("\0", " "))) <= NAMES


def _shown_literals(source: str) -> Iterator[str]:
    for token in SCRIPT_TOKEN.findall(source):
        if token.startswith("/"):
            continue
        text = re.sub(r"\$\{[^}]*\}", "", token[1:-1])
        if PROSE.fullmatch(text) and not CODE_LIKE.search(text) and not NOT_SHOWN.fullmatch(text):
            yield text


def test_failing_channels_are_not_a_count() -> None:
    """Two patterns match this message; the one that says more comes first."""
    token = current.set("de")
    try:
        text = message("Notices cannot be sent: Phone of Anna; see the page of notices")
    finally:
        current.reset(token)
    assert "Phone of Anna" in text
    assert "see the page" not in text
