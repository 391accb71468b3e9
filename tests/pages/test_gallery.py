"""The macros and the frame: each is in the gallery, whose HTML is sound; in a browser, axe finds nothing in it."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from jinja2 import Environment, FileSystemLoader, nodes
from markupsafe import Markup

from stocky.pages.assets import assets
from stocky.pages.done import Done
from stocky.pages.languages import _
from stocky.pages.rendering import load_environment
from stocky.schema import StorageType
from stocky.stock.event_lines import EventNames, Line
from stocky.stock.schemas import StockEvent
from tests.browsers import PROGRAM, needs_chromium

PAGES = Path(__file__).parents[2] / "stocky" / "pages"
STATIC = PAGES / "static"
ORIGIN = "http://stocky.test"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'"
)
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}
VOID = {"meta", "link", "img", "input", "use", "rect", "path", "br", "hr"}
# What the first view of a page loads; its goals, in bytes gzipped.
SIZES = {"app.css": 13312, "icons.svg": 5120, "app.js": 2048, "times.js": 1024}
# All scripts as they are served, without comments.
ALL_SCRIPTS = 38 * 1024


@pytest.fixture(scope="module")
def environment() -> Environment:
    return load_environment("", "en").overlay(loader=FileSystemLoader([PAGES / "templates", Path(__file__).parent]))


@pytest.fixture(scope="module")
def gallery(environment: Environment) -> str:
    entries = [
        SimpleNamespace(path=path, label=path.strip("/") or "home", icon=icon, key=path[1:2], active=path == "/items")
        for path, icon in (("/", "home"), ("/items", "items"), ("/scan", "scan"), ("/lists", "cart"), ("/me", "user"))
    ]
    nav = [SimpleNamespace(label=None, entries=entries)]
    frame = environment.get_template("navigation.html")
    parts = {
        name: Markup("".join(block(frame.new_context({"nav": nav, "active": "/items"}))))
        for name, block in frame.blocks.items()
    }
    now = datetime.now(UTC)
    event = StockEvent(
        id=7, event_id=None, type="add", item_id=1, location_id=1, sku_id=1, delta=2, quantity_after=3, occurred_at=now,
        recorded_at=now, user_id=1, scanner_id=None, batch_id=None, transfer_id=None, reverses_id=None, note=None,
        expiry_date=None, lot="", serial="", opened_on=None,
    )  # fmt: skip
    names = EventNames(7, "Flour", "QXZB", "Top shelf", StorageType.PANTRY, "kg", "anna", is_of_merge=False)
    return environment.get_template("gallery.html").render(
        frame_parts=parts,
        line=Line(event, names, 2),
        user=SimpleNamespace(id=1, username="anna"),
        role="admin",
        csrf="token",
        path="/items",
        nav=nav,
        language="en",
        theme="",
        now=now,
        done=Done(_("Saved"), "/items/undo", {"batch_id": "b1"}),
    )


def test_gallery_has_every_macro(environment: Environment) -> None:
    sources = [
        PAGES / "templates" / "ui.html",
        PAGES / "templates" / "base.html",
        PAGES / "templates" / "navigation.html",
        Path(__file__).parent / "gallery.html",
    ]
    trees = [environment.parse(file.read_text("utf-8")) for file in sources]
    used = {
        call.node.attr for tree in trees for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Getattr)
    }
    used |= {call.node.name for call in trees[0].find_all(nodes.Call) if isinstance(call.node, nodes.Name)}
    assert {macro.name for macro in trees[0].find_all(nodes.Macro)} - used == set()


def test_html_is_sound(gallery: str) -> None:
    page = _Page()
    page.feed(gallery)
    assert page.open == []
    assert [each for each, count in Counter(page.ids).items() if count > 1] == []
    assert page.references - set(page.ids) == set()
    assert page.inputs - page.labelled == set()
    assert "style=" not in gallery
    assert re.search(r"\son\w+=", gallery) is None
    assert gallery.count("<h1") == 1


def test_icons_exist(gallery: str, environment: Environment) -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text("utf-8")))
    assert set(re.findall(r"icons\.svg#([\w-]+)", gallery)) - drawn == set()


def test_bare_frame_has_no_navigation(environment: Environment) -> None:
    page = environment.from_string('{% extends "base.html" %}{% set frame = "bare" %}{% block title %}x{% endblock %}')
    variables = {"user": None, "role": None, "csrf": "", "path": "/sign-in", "language": "en", "theme": ""}
    html = page.render(variables, frame_parts={"words": ""})
    assert "<nav" not in html
    assert 'class="bare"' in html


def test_what_a_first_view_loads_is_small() -> None:
    assert {name: size for name, limit in SIZES.items() if (size := _packed(STATIC / name)) > limit} == {}
    served = [each for name, each in assets().files.items() if name.endswith(".js")]
    assert sum(len(each.compressed or each.content) for each in served) <= ALL_SCRIPTS


def test_scripts_that_are_imported_exist() -> None:
    for file in STATIC.glob("*.js"):
        source = file.read_text("utf-8")
        assert source.startswith("// Owns "), file.name
        for name in re.findall(r'from "\./([\w.]+)"', source) + [
            f"{each}.js" for each in re.findall(r'when\("(\w+)"', source)
        ]:
            assert (STATIC / name).exists(), f"{file.name}: {name}"


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(gallery: str, theme: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        for width in (1280, 320):
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=theme)
            faults: list[str] = []
            page.on("console", lambda message, faults=faults: faults.append(message.text))
            page.on("pageerror", lambda error, faults=faults: faults.append(str(error)))
            page.route("**/*", lambda route: _serve(route, gallery))
            page.goto(f"{ORIGIN}/gallery")
            page.locator(".toasts .toast").wait_for()
            page.locator("[data-select-toggle]").click()
            page.locator(".selection-bar").wait_for()
            rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
            # A page shows one last scan; the gallery shows it in every mode.
            options = {"runOnly": rules, "rules": {"landmark-unique": {"enabled": False}}}
            found = axe.Axe().run(page, options=options).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert faults == []
        browser.close()


def _packed(file: Path) -> int:
    return len(gzip.compress(file.read_bytes(), 9))


def _serve(route: Any, gallery: str) -> None:
    name = urlsplit(route.request.url).path.rpartition("/")[2]
    if name == "gallery":
        headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": POLICY}
        route.fulfill(body=gallery, headers=headers)
    elif (STATIC / name).is_file():
        route.fulfill(body=(STATIC / name).read_bytes(), content_type=TYPES.get(Path(name).suffix, "application/json"))
    else:
        route.fulfill(status=404)


class _Page(HTMLParser):
    """Collects what is checked: elements left open, ids, references to ids, and which inputs have a label."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: set[str] = set()
        self.inputs: set[str] = set()
        self.labelled: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        for name in ("for", "aria-describedby", "aria-labelledby", "aria-controls", "form", "list", "data-dialog"):
            self.references |= set(given.get(name, "").split())
        if tag in ("input", "select", "textarea") and given.get("type") != "hidden":
            name = given.get("id") or f"{given.get('name', 'all')}={given.get('value', '')}"
            self.inputs.add(name)
            if "aria-label" in given or "label" in self.open:
                self.labelled.add(name)
        if tag == "label" and "for" in given:
            self.labelled.add(given["for"])

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, self.getpos()


def test_a_fault_in_html_is_found() -> None:
    page = _Page()
    page.feed('<p id="a"><input id="b" aria-describedby="c"></p><p id="a">')
    assert (page.open, page.ids, page.references, page.inputs - page.labelled) == (["p"], ["a", "b", "a"], {"c"}, {"b"})
