"""The scan page with a camera, with photos, and by plain http, where browsers give less."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest_asyncio

from tests.browsers import PROGRAM, in_a_browser
from tests.pages.browser.conftest import Opener
from tests.pages.browser.scanning import go_to_scan, new_item, scan, total
from tests.serving import Server

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = in_a_browser

CODE = "4006381333931"


def write_video(path: Path) -> None:
    """A video of one picture, in the middle of which is CODE."""
    from tests.pages.pictures import photo, symbol

    picture = photo(symbol(CODE, "EAN13", 3))
    frame = b"FRAME\n" + picture.tobytes() + b"\x80" * (2 * 320 * 240)
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + frame * 5)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def phone(tmp_path_factory: Any) -> AsyncIterator[Browser]:
    """A browser with a camera in front of which is CODE, that knows Stocky as stocky.lan too."""
    from playwright.async_api import async_playwright

    video = tmp_path_factory.mktemp("camera") / "code.y4m"
    write_video(video)
    arguments = [
        *("--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP stocky.lan 127.0.0.1"),
        *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-video-capture={video}",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=arguments)
        yield browser
        await browser.close()


async def test_camera(phone: Browser, site: Server) -> None:
    opener = Opener(phone, site, {})
    page = await opener("/scan", width=360, height=740)
    await go_to_scan(page, "?mode=lookup")
    await page.locator("#camera-button").click()
    await page.locator("#result:is([data-mode=lookup], [data-mode=refused])").wait_for()
    # It stays in the picture, and counts once, also when some pictures cannot be looked at.
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.route("**/scan/decode", lambda route: route.fulfill(status=503, body=""), times=1)
    for _ in range(4):
        await page.wait_for_event("request", lambda request: request.url.endswith("/scan/decode"))
    assert not [url for url in asked if url.endswith("/scan/look-up")]
    await page.locator("#camera-button").click()
    await page.locator("#camera").wait_for(state="hidden")
    assert [each for each in opener.problems if "503" not in each] == []
    await opener.close()


async def test_without_a_camera_a_photo_is_offered(opener: Opener) -> None:
    page = await opener("/scan", width=360, height=740)
    await go_to_scan(page)
    await page.locator("#camera-button").click()
    await page.locator("#result[data-mode=refused]", has_text="take a photo").wait_for()
    # A message in the corner would cover it.
    async with page.expect_file_chooser():
        await page.locator("#photo-button").click()
    # A question stays on the card.
    _, barcode = await new_item(page)
    await go_to_scan(page, "?mode=count&location_id=1")
    await scan(page, barcode)
    await page.locator("#result", has_text="How many").wait_for()
    await page.locator("#camera-button").click()
    await page.locator(".toast.bad", has_text="take a photo").wait_for()
    await page.locator("#result", has_text="How many").wait_for()


async def test_plain_http(phone: Browser, site: Server, tmp_path: Path) -> None:
    """By another name than localhost: no camera, service worker or randomUUID; a photo and the queue work."""
    from tests.pages.pictures import photo, symbol

    picture = tmp_path / "photo.png"
    photo(symbol(CODE, "EAN13")).save(picture)
    there = Server(site.url.replace("127.0.0.1", "stocky.lan"), site.process, site.log_file)
    opener = Opener(phone, there, {})
    page = await opener("/scan")
    assert not await page.evaluate("isSecureContext")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add&location_id=1&amount=1")
    assert await page.locator("#camera-button").is_hidden()
    async with page.expect_file_chooser() as chooser:
        await page.locator("#photo-button").click()
    await (await chooser.value).set_files(picture)
    await page.locator("#result[data-mode=add]").wait_for()
    await page.context.set_offline(True)
    await scan(page, barcode)
    await page.locator("#result[data-mode=waiting]").wait_for()
    await page.context.set_offline(False)
    await page.locator("#session .sign[data-mode=add]").nth(1).wait_for()
    assert await total(page, item_id) == 1
    assert opener.problems == []
    await opener.close()
