"""What every page has to be: well-formed, with one heading, names for all inputs, and addresses of our own only."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import NamedTuple

VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
    # Of SVG.
    | {"path", "rect", "circle", "line", "polyline", "polygon", "use"}
)
NAMED_BY_THEMSELVES = frozenset({"hidden", "submit", "button", "reset", "image"})
NAMES = frozenset({"aria-label", "aria-labelledby", "title"})


class Form(NamedTuple):
    """A form with the names of its inputs."""

    action: str
    method: str
    names: list[str]


class Page(HTMLParser):
    """A parsed page; `faults` says what is wrong with it.

    `requests` are its addresses, each with its method; that of a script's address is empty.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self.language = self.title = ""
        self._headings = 0
        self._labels: set[str] = set()
        self._unnamed: list[tuple[str, str]] = []
        self._references: list[tuple[str, str]] = []
        self._stack: list[str] = []
        self.feed(text)
        self.close()
        if not text.lstrip().lower().startswith("<!doctype html>"):
            self.faults.append("no doctype")
        if self._stack:
            self.faults.append(f"not closed: {self._stack}")
        if self._headings != 1:
            self.faults.append(f"{self._headings} h1")
        self.faults += [f"id {each!r} twice" for each in {each for each in self.ids if self.ids.count(each) > 1}]
        self.faults += [f"{what} has no label" for what, id in self._unnamed if id not in self._labels]
        self.faults += [
            f"{what} names {id!r}, which is not there" for what, id in self._references if id not in self.ids
        ]
        if not self.title.strip() or not self.language:
            self.faults.append("no title or language")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if len(given) != len(attrs):
            self.faults.append(f"an attribute twice: {self.get_starttag_text()}")
        if tag not in VOID:
            self._stack.append(tag)
        if id := given.get("id"):
            self.ids.append(id)
        if tag == "html":
            self.language = given.get("lang") or ""
        self._headings += tag == "h1"
        if tag == "label" and given.get("for"):
            self._labels.add(given["for"] or "")
            self._references.append((self.get_starttag_text() or "", given["for"] or ""))
        for name in ("aria-labelledby", "aria-describedby", "aria-controls", "list", "form"):
            self._references += [(self.get_starttag_text() or "", id) for id in (given.get(name) or "").split()]
        if tag == "form":
            self.forms.append(Form(given.get("action") or "", (given.get("method") or "get").lower(), []))
        if tag in ("input", "select", "textarea"):
            self._take_input(given)
        if tag == "img" and given.get("alt") is None:
            self.faults.append(f"a picture without alt: {self.get_starttag_text()}")
        self.links += [given[name] or "" for name in ("href", "action", "src") if given.get(name)]
        self._take_requests(tag, given)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._stack.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self._stack or self._stack[-1] != tag:
            self.faults.append(f"</{tag}> closes {self._stack[-1:]}, line {self.getpos()[0]}")
        if tag in self._stack:
            while self._stack.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._stack[-1:] == ["title"]:
            self.title += data

    def _take_requests(self, tag: str, given: dict[str, str | None]) -> None:
        for name, value in given.items():
            if not value:
                continue
            if name in ("href", "src"):
                self.requests.append(("GET", value))
            elif name == "formaction" or (name == "action" and tag == "form"):
                self.requests.append((self.forms[-1].method.upper(), value))
            elif name.startswith("data-") and value.startswith("/"):
                self.requests.append(("", value))

    def _take_input(self, given: dict[str, str | None]) -> None:
        if self.forms and "form" in self._stack:
            self.forms[-1].names.append(given.get("name") or "")
        is_named = given.get("type") in NAMED_BY_THEMSELVES or NAMES & given.keys() or "label" in self._stack
        if not is_named:
            self._unnamed.append((self.get_starttag_text() or "", given.get("id") or ""))


def typed_fields(text: str, action: str, method: str = "post") -> dict[str, str | list[str]]:
    """What a browser sends of the form with this action as it is shown, but for buttons and its token."""
    form = re.search(rf'<form [^>]*?action="{re.escape(action)}" method="{method}".*?</form>', text, re.DOTALL)
    assert form is not None, action
    return _Fields(form[0]).values


class _Fields(HTMLParser):
    """The values of the fields of a form."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.values: dict[str, str | list[str]] = {}
        self._select = self._textarea = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "select":
            self._select = name
        elif tag == "option" and (self._select not in self.values or "selected" in given):
            self.values[self._select] = value
        elif tag == "textarea":
            self._textarea, self.values[name] = name, ""
        elif tag == "input" and name and name != "csrf" and given.get("type") not in ("submit", "file"):
            if given.get("type") not in ("checkbox", "radio"):
                self.values[name] = value
            elif "checked" in given:
                before = self.values.get(name, [])
                self.values[name] = [*before, value]

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            # Without the line break that begins it.
            self.values[self._textarea] = f"{self.values[self._textarea]}{data}".removeprefix("\n")
