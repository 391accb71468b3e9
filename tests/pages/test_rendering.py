"""How pages and what they load are answered: parts, compression, caching, problems; numbers and times in words."""

from __future__ import annotations

import gzip
import html
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar
from markupsafe import escape

from stocky.pages import assets, filters, rendering
from stocky.pages.languages import LANGUAGES, current
from tests.inventory import PROBLEM, made, new_item, new_location, new_stock, refused
from tests.pages.conftest import Browser
from tests.pages.markup import Page

Browse = Callable[[str], Awaitable[Browser]]


async def test_part_of_a_page(browse: Browse) -> None:
    browser = await browse("member")
    part = await browser.get("/me", headers={"X-Fragment": "title"})
    assert (part.status_code, part.text) == (200, "My account")
    assert part.headers["x-fragment"] == "title"
    assert "x-fragment" not in (await browser.get("/me")).headers
    unknown = await browser.get("/me", headers={"X-Fragment": "nothing"})
    refused(unknown, 400, "no part named 'nothing'")


def test_languages_share_the_code_of_templates() -> None:
    english, german = (
        rendering.load_environment("/shared", language).get_template("me.html").root_render_func
        for language in LANGUAGES
    )
    assert english is not german
    assert english.__code__ is german.__code__


async def test_compression(browse: Browse) -> None:
    browser = await browse("member")
    plain = await browser.get("/me", headers={"Accept-Encoding": "identity"})
    packed = await browser.get("/me", headers={"Accept-Encoding": "br, gzip;q=0.8"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    small = await browser.get("/me", headers={"X-Fragment": "title", "Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers
    refusing = await browser.get("/me", headers={"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in refusing.headers


async def test_token_differs_in_each_page(browse: Browse) -> None:
    browser = await browse("member")
    tokens = set()
    for _ in range(3):
        browser.take_token(await browser.get("/me"))
        tokens.add(browser.csrf)
    assert len(tokens) == 3


async def test_pages_by_key_have_no_token(member: AsyncClient) -> None:
    answer = await member.get("http://stocky.test/me", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert 'name="csrf" content=""' in answer.text


async def test_texts_of_people_are_escaped(browse: Browse) -> None:
    browser = await browse("member")
    text = "<script>alert(1)</script>\"'&"
    page = await browser.submit("/me/keys", {"name": text})
    assert "<script>alert" not in page.text
    assert str(escape(text)) in page.text
    answer = await browser.get(f"/sign-in?next=/{text}", headers={"Cookie": ""})
    assert "<script>alert" not in answer.text


async def test_texts_of_events_are_escaped(browse: Browse, member: AsyncClient) -> None:
    text = "<script>alert(1)</script>\"'&"
    shelf, cellar = await new_location(member, text), await new_location(member, f"Cellar {text}")
    item = await new_item(member, f"Tea {text}")
    await new_stock(member, item, shelf, 3, unit="<b>", notes=text)
    where = {"item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "note": f"Note {text}"}
    moved = {"type": "move", **where, "to_location": {"id": cellar["id"]}, "quantity": 1}
    taken = {"type": "remove", **where, "quantity": 1}
    made(await member.post("/events", json={"events": [moved, taken, {"type": "set", **where, "quantity": 5}]}))
    browser = await browse("member")
    for path in ("/activity", "/", f"/items/{item['id']}", f"/items/{item['id']}/history"):
        page = await browser.show(path)
        assert Page(page.text).faults == []
        assert "<script>alert" not in page.text, path
        assert "<b>&" not in page.text, path
    activity = (await browser.show("/activity")).text
    for shown in (f"Tea {text}", f"{text} → Cellar {text}", f"Note {text}", "= 5 <b>", "then 3\u00a0<b>"):
        assert html.escape(shown) in activity


async def test_errors_are_pages_for_people(browse: Browse, browser: Browser) -> None:
    reader = await browse("reader")
    answer = await reader.get("/first-start/data")
    assert answer.status_code == 403
    page = Page(answer.text)
    assert page.faults == []
    assert "requires the role admin" in answer.text
    assert "/me" in page.links, "with the navigation"
    assert answer.headers["x-request-id"] in answer.text
    answer = await browser.get("/nothing/here")
    assert answer.status_code == 404
    assert Page(answer.text).faults == []
    answer = await browser.post("/me/password", data={"current_password": "x"})
    assert answer.status_code == 401, "what was typed is not thrown away by a redirect"
    assert Page(answer.text).faults == []
    answer = await reader.post("/me/keys", json={"name": "x"}, headers={"X-CSRF-Token": reader.csrf})
    assert answer.status_code == 415


async def test_errors_are_problem_details_for_scripts(browse: Browse, root: AsyncClient) -> None:
    reader = await browse("reader")
    for headers in ({"X-Fragment": "main"}, {"X-Requested-With": "fetch"}, {"Accept": PROBLEM}):
        refused(await reader.get("/first-start/data", headers=headers), 403, "requires the role admin")
    for path in ("/nothing", "/api/v1/nothing", "/docs/assets/nothing", "/static/x/nothing.js", "/health/nothing"):
        refused(await reader.get(path, headers={"Accept": "*/*"}), 404)
        if path != "/nothing":
            refused(await reader.get(path), 404)
    refused(await root.delete("/me"), 405)
    refused(await reader.post("/nothing"), 404)


async def test_problem_details_of_pages_are_in_the_language_of_the_page(browse: Browse) -> None:
    browser = await browse("member")
    assert (await browser.submit("/me/language", {"language": "de"})).status_code == 303
    script = {"X-Requested-With": "fetch"}
    denied = (await browser.get("/audit", headers=script)).json()
    assert denied["detail"].startswith("Zugriff verweigert")
    answer = (await browser.get("/activity?item_id=0", headers=script)).json()
    [field] = answer["errors"]
    assert (field["field"], answer["detail"]) == ("item_id", f"item_id: {field['message']}")
    assert field["message"] == "muss mindestens 1 sein"
    answer = (await browser.get("/activity?item_id_text=nothing", headers=script)).json()
    assert "Es gibt keinen Artikel" in answer["detail"]
    assert answer["errors"] == [{"field": "item_id", "message": answer["detail"]}]
    answer = (await browser.get("/api/v1/events?item_id=0", headers=script)).json()
    assert answer["detail"] == "item_id: must be at least 1"


async def test_page_of_a_running_restore_reloads_itself(app: Litestar, browse: Browse) -> None:
    browser = await browse("member")
    app.state.identities._trusted_until = 0
    app.state.database.gate.pause()
    answer = await browser.get("/me")
    assert answer.status_code == 503
    assert "A backup is being restored" in answer.text
    assert int(answer.headers["refresh"]) > 0
    assert answer.headers["cache-control"] == "no-store"
    assert Page(answer.text).faults == []
    form = await browser.submit("/me/keys", {"name": "x"})
    assert form.status_code == 503
    assert "refresh" not in form.headers, "it would be a GET"
    part = await browser.get("/me", headers={"X-Fragment": "main"})
    refused(part, 503, "A restore is putting its data in place")
    app.state.database.gate.open()
    assert (await browser.get("/me")).status_code == 200


async def test_defect_is_a_page_without_internals(
    app: Litestar, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await browse("member")

    async def fail(*_: Any) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("stocky.auth.repository.list_sign_ins", fail)
    answer = await browser.get("/me")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] in answer.text


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of assets with a script and a picture."""
    directory = tmp_path / "static"
    directory.mkdir()
    (directory / "app.js").write_text("import './other.js';\n" * 100)
    (directory / "app.css").write_text("p{}")
    (directory / "picture.png").write_bytes(b"PNG" * 1_000)
    (directory / "sw.js").write_text("const base = '__BASE__', files = '__STATIC__';" + ";" * 1_000)
    (directory / "notes.txt").write_text("not served")
    monkeypatch.setattr(assets, "DIRECTORY", directory)
    assets.assets.cache_clear()
    yield directory
    assets.assets.cache_clear()


async def test_assets(files: Path, browser: Browser) -> None:
    path = assets.asset_path("app.js")
    answer = await browser.get(path, headers={"Accept-Encoding": "gzip"})
    assert answer.text == (files / "app.js").read_text()
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    plain = await browser.get(path, headers={"Accept-Encoding": ""})
    assert "content-encoding" not in plain.headers
    picture = await browser.get(assets.asset_path("picture.png"), headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in picture.headers
    assert picture.headers["content-type"] == "image/png"
    head = await browser.head(path)
    assert (head.status_code, head.content) == (200, b"")
    old = await browser.get("/static/0123456789ab/app.js")
    assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")
    for name in ("nothing.js", "notes.txt", "..%2fassets.py", "%2e%2e", ""):
        assert (await browser.get(f"/static/x/{name}")).status_code == 404, name
    worker = await browser.get("/sw.js", headers={"Accept-Encoding": "gzip"})
    version = assets.assets().version
    assert worker.text.rstrip(";") == f"const base = '', files = '/static/{version}'"
    assert worker.headers["content-encoding"] == "gzip"
    assert (worker.headers["cache-control"], worker.headers["content-security-policy"]) == (
        "no-cache",
        assets.PAGE_POLICY,
    )
    refused(await browser.get("/manifest.webmanifest"), 404)


def test_hash_is_of_all_files(files: Path) -> None:
    """Modules import each other by relative names, so a change of one gives all of them new addresses."""
    before = assets.asset_path("app.js")
    (files / "app.css").write_text("p{}b{}")
    assets.assets.cache_clear()
    after = assets.asset_path("app.js")
    assert before != after
    assert before.rpartition("/")[2] == after.rpartition("/")[2]
    with pytest.raises(KeyError, match=r"nothing\.css"):
        assets.asset_path("nothing.css")


def test_served_files_are_those_of_the_directory() -> None:
    for name, asset in assets.assets().files.items():
        content = (assets.DIRECTORY / name).read_bytes()
        if name.endswith((".css", ".js")):
            assert len(asset.content) < len(content)
        else:
            assert asset.content == content
        assert asset.compressed is None or gzip.decompress(asset.compressed) == asset.content


def test_scripts_and_styles_are_served_without_comments_and_indentation(files: Path) -> None:
    (files / "app.js").write_text("// Owns.\nif (a)\n  // Why.\n  b('//c'); // d\n")
    (files / "app.css").write_text("/* All\n   of it */\np {\n  color: red; /* why */ }\n")
    assets.assets.cache_clear()
    served = {name: asset.content.decode() for name, asset in assets.assets().files.items()}
    assert served["app.js"] == "\nif (a)\n\nb('//c'); // d\n"
    assert served["app.css"] == "p {color: red;  }"


@pytest.mark.parametrize("file", sorted(assets.DIRECTORY.glob("*.[cj]s*")), ids=lambda file: file.name)
def test_no_text_of_a_script_or_style_looks_like_a_comment_or_indentation(file: Path) -> None:
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if file.suffix == ".css":
            assert not re.search(r"""(["']).*/\*.*\1""", line), f"a text with /* in line {number}"
        else:
            assert line.count("`") % 2 == 0, f"a text over several lines in line {number}"
            assert "/*" not in line or "*/" in line.partition("/*")[2], f"a comment over several lines in line {number}"
        assert not line.endswith("\\"), f"a text over several lines in line {number}"


def test_addresses() -> None:
    url = rendering.make_url
    assert url("", "/items", {}) == "/items"
    assert url("/stocky", "/items/7", {"q": "a b&c", "page": 2, "tag": ["x", "y"], "no": None, "empty": ""}) == (
        "/stocky/items/7?q=a+b%26c&page=2&tag=x&tag=y"
    )
    assert url("", "/sign-in?x=1", {"y": 2}) == "/sign-in?x=1&y=2"
    assert url("", "/ä b", {}) == "/%C3%A4%20b"


@pytest.fixture(params=["en", "de"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    token = current.set(request.param)
    yield request.param
    current.reset(token)


def test_numbers(language: str) -> None:
    german = language == "de"
    for value, text in {
        1: "1",
        1.5: "1.5",
        2.0: "2",
        100.0: "100",
        0.125: "0.125",
        -2: "\N{MINUS SIGN}2",
        1e-9: "0",
        -0.0: "0",
        1_000_000.5: "1000000.5",
        Decimal("1.50"): "1.5",
    }.items():
        assert filters.quantity(value) == (text.replace(".", ",") if german else text)
    assert [filters.signed(each) for each in (1, -2, 0)] == ["+1", "\N{MINUS SIGN}2", "0"]
    assert filters.number(3587) == ("3.587" if german else "3,587")
    assert filters.percent(0.371).replace("\N{NARROW NO-BREAK SPACE}", " ") == ("37 %" if german else "37%")
    assert filters.filesize(999) == "999 bytes"
    assert filters.filesize(1_420_000) == ("1,4 MB" if german else "1.4 MB")
    assert filters.filesize(23_000) == "23 KB"


def test_times(language: str) -> None:
    moment = datetime(2026, 3, 5, 23, 7, 9, tzinfo=timezone(timedelta(hours=1)))
    words = "5. März 2026, 22:07 UTC" if language == "de" else "5 Mar 2026, 22:07 UTC"
    assert filters.moment(moment) == (
        f'<time datetime="2026-03-05T22:07:09Z" title="2026-03-05 22:07:09 UTC">{words}</time>'
    )
    assert filters.moment(None) == filters.day(None) == ""
    day = "28. Nov. 2026" if language == "de" else "28 Nov 2026"
    assert filters.day(date(2026, 11, 28)) == f'<time datetime="2026-11-28">{day}</time>'
    assert filters.day(datetime(2026, 11, 28, tzinfo=UTC)).startswith('<time datetime="2026-11-28">')
