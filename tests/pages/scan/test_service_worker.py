"""The service worker keeps files that exist, all that the pages it keeps need, below the base path."""

from __future__ import annotations

import re

from stocky.pages.assets import DIRECTORY, assets
from tests.pages.conftest import Browser

# Modules that none of the kept pages loads.
_ELSEWHERE = {
    "live.js",
    "labels.js",
    "search.js",
    "selection.js",
    "steppers.js",
    "upload.js",
    "copy.js",
    "sw.js",
    "poll.js",
}


def kept() -> set[str]:
    text = (DIRECTORY / "sw.js").read_text("utf-8")
    found = re.search(r"const NAMES = \[(.*?)\];", text, re.DOTALL)
    assert found
    return set(re.findall(r'"([^"]+)"', found[1]))


def test_kept_files_are_complete() -> None:
    assert kept() <= set(assets().files)
    for name in kept():
        if name.endswith(".js"):
            text = (DIRECTORY / name).read_text("utf-8")
            needed = {f"{each}.js" for each in re.findall(r'(?:from |import\()"\./([\w-]+)\.js"', text)}
            needed |= {f"{each}.js" for each in re.findall(r'when\("([\w-]+)"', text)}
            assert needed - kept() <= _ELSEWHERE, name


async def test_addresses(browser: Browser) -> None:
    text = (await browser.get("/sw.js")).text
    assert "__" not in text.replace("__proto__", "")
    assert f'const STATIC = "/static/{assets().version}";' in text
    manifest = (await browser.get("/manifest.webmanifest")).json()
    for icon in manifest["icons"]:
        assert (await browser.get(icon["src"])).status_code == 200
