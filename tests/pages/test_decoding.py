"""Decoding of pictures: all symbologies however the camera is held, and no picture that could do harm."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from datetime import date

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar
from PIL import Image

from stocky.app import attach, make_routes
from stocky.config import Config
from stocky.errors import Invalid, StockyError, TooLarge, Unsupported
from stocky.pages import decoding
from stocky.pages.decoding import decode_picture
from stocky.pages.views import decode
from stocky.services import Services
from tests.conftest import ORIGIN, started
from tests.documents.files import huge_png
from tests.inventory import get, made, refused
from tests.pages.pictures import EAN, GS1, GS1_CONTENT, encoded, noisy, photo, symbol

CODES = {
    "EAN13": (symbol(EAN, "EAN13"), EAN, "EAN-13"),
    "UPCA": (symbol("036000291452", "UPCA"), "0036000291452", "EAN-13"),
    "Code128": (symbol("SHELF-42", "Code128", 3), "SHELF-42", "Code 128"),
    "QRCode": (symbol('{"command":"set_mode","payload":{"mode":"add"}}', "QRCode"), None, "QR Code"),
    "DataMatrix": (symbol("QXZB", "DataMatrix", 8), "QXZB", "Data Matrix"),
}


def _texts(picture: Image.Image, kind: str = "JPEG") -> list[str]:
    return [each.text for each in decode_picture(encoded(picture, kind))]


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("degrees", [0, 12, -12, 90, 180, 270])
def test_codes_are_read_however_the_camera_is_held(name: str, degrees: int) -> None:
    code, text, symbology = CODES[name]
    [found] = decode_picture(encoded(photo(code, degrees=degrees)))
    assert text is None or found.text.lstrip("0") == text.lstrip("0")
    assert (found.format, found.is_gs1) == (symbology, False)
    assert found.scan == found.text


@pytest.mark.parametrize("name", CODES)
def test_a_little_blur_and_noise_do_no_harm(name: str) -> None:
    code = CODES[name][0]
    assert len(_texts(photo(code, blur=1.2))) == 1
    assert len(_texts(noisy(photo(code)))) == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_formats(kind: str) -> None:
    assert _texts(photo(CODES["EAN13"][0]), kind) == [EAN]


def test_several_codes_are_all_read_and_each_text_once() -> None:
    picture = Image.new("L", (1200, 900), 255)
    for number, name in enumerate(("EAN13", "Code128", "DataMatrix", "EAN13")):
        picture.paste(CODES[name][0], (50 + number % 2 * 600, 50 + number // 2 * 450))
    assert sorted(_texts(picture)) == [EAN, "QXZB", "SHELF-42"]


def test_corners_are_fractions_of_the_picture() -> None:
    [found] = decode_picture(encoded(photo(CODES["QRCode"][0], (2000, 1000)), "PNG"))
    across, down = zip(*found.corners, strict=True)
    assert 0.4 < min(across) < 0.5 < max(across) < 0.6
    assert 0.3 < min(down) < 0.5 < max(down) < 0.7


def test_transparent_picture_and_animation_are_read() -> None:
    code = CODES["QRCode"][0]
    black = Image.new("RGBA", code.size, "black")
    black.putalpha(code.point(lambda value: 255 - value))
    assert len(_texts(black, "PNG")) == 1
    frames = [photo(CODES["EAN13"][0]), photo(CODES["Code128"][0])]
    for kind in ("PNG", "WEBP"):
        picture = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
        assert [each.text for each in decode_picture(picture)] == [EAN]


@pytest.mark.parametrize("symbology", ["DataMatrix", "QRCode", "Code128"])
def test_gs1_code_is_marked_for_the_reader(symbology: str) -> None:
    [found] = decode_picture(encoded(photo(symbol(GS1, symbology, 2, gs1=True), (1200, 480))))
    identifier = {"DataMatrix": "]d2", "QRCode": "]Q3", "Code128": "]C1"}[symbology]
    assert (found.text, found.is_gs1, found.symbology) == (GS1_CONTENT, True, identifier)
    assert found.scan == identifier + GS1_CONTENT


def test_photo_of_twelve_megapixels_takes_a_moment() -> None:
    picture = encoded(noisy(photo(symbol(EAN, "EAN13", 12), (4000, 3000), degrees=5), 0.1), quality=90)
    began = time.process_time()
    [found] = decode_picture(picture)
    assert found.text == EAN
    assert time.process_time() - began < 2


def test_small_code_in_a_large_photo_is_read() -> None:
    assert _texts(photo(symbol(EAN, "EAN13", 5), (4000, 3000))) == [EAN]


def test_picture_without_a_code_has_none() -> None:
    assert _texts(Image.new("L", (640, 480), 128)) == []


@pytest.mark.parametrize(
    ("picture", "error", "words"),
    [
        (b"\xff\xd8\xff\xe0garbage", Invalid, "damaged"),
        (b"not a picture at all", Unsupported, "JPEG, PNG or WebP"),
        (encoded(photo(CODES["EAN13"][0]))[:5_000], Invalid, "damaged"),
        (encoded(photo(CODES["EAN13"][0]), "GIF"), Unsupported, "JPEG, PNG or WebP"),
        (encoded(photo(CODES["EAN13"][0]), "TIFF"), Unsupported, "JPEG, PNG or WebP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Unsupported, "JPEG, PNG or WebP"),
        (huge_png(30_000, 30_000), TooLarge, "30000 x 30000"),
        (huge_png(5_000, 5_000), TooLarge, "16 million"),
        (huge_png(20_000, 10), TooLarge, "20000 x 10"),
    ],
)
def test_harmful_picture_is_refused(picture: bytes, error: type[StockyError], words: str) -> None:
    began = time.process_time()
    with pytest.raises(StockyError) as caught:
        decode_picture(picture)
    assert type(caught.value) is error, caught.value
    assert words in caught.value.detail
    assert time.process_time() - began < 1


@pytest.fixture
async def small(config: Config, keys: dict[str, str]) -> AsyncIterator[tuple[Litestar, AsyncClient]]:
    """The application with the route, and the scanner's client of it."""
    app = make_routes()
    if not any(route.path == "/scan/decode" for route in app.routes):
        app.register(decode.decode)
    async with started(attach(app, Services(config))):
        transport = ASGITransport(app=app, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url=ORIGIN, headers={"X-API-Key": keys["scanner"]}) as client:
            yield app, client


@pytest.mark.one_database
async def test_gs1_code_of_a_picture_is_booked_with_its_lot(
    small: tuple[Litestar, AsyncClient], keys: dict[str, str]
) -> None:
    _, client = small
    picture = encoded(photo(symbol(GS1, "DataMatrix", 8, gs1=True)))
    # Its type does not matter, and neither would a name.
    answer = await client.post("/scan/decode", content=picture, headers={"Content-Type": "image/webp"})
    [found] = made(answer)["codes"]
    assert (found["code"], found["expiry"], found["note"]) == (EAN, str(date(2030, 12, 31)), "lot AB, serial X1")
    shelf = await new_location_for(client, keys)
    event = {"type": "add", "item": {"upc": found["scan"]}, "location": {"id": shelf["id"]}, "quantity": 1}
    made(await client.post("/api/v1/events", json={"events": [event]}))
    [sku] = await get(client, "/api/v1/skus/")
    assert sku["expiry_date"] == "2030-12-31"


async def new_location_for(client: AsyncClient, keys: dict[str, str]) -> dict[str, int]:
    """A location, added by a member."""
    answer = await client.post("/api/v1/locations/", json={"name": "Shelf"}, headers={"X-API-Key": keys["member"]})
    shelf: dict[str, int] = made(answer)
    return shelf


@pytest.mark.one_database
async def test_route_refuses_what_is_no_picture(small: tuple[Litestar, AsyncClient], keys: dict[str, str]) -> None:
    app, client = small
    refused(await client.post("/scan/decode"), 400, "body")
    refused(await client.post("/scan/decode", content=b"hello"), 415, "JPEG")
    refused(await client.post("/scan/decode", content=bytes(decoding.MAX_BYTES + 1)), 413, "12 MB")
    picture = encoded(photo(CODES["EAN13"][0]))
    refused(await client.post("/scan/decode", content=picture, headers={"X-API-Key": keys["reader"]}), 403)
    async with AsyncClient(transport=ASGITransport(app=app), base_url=ORIGIN) as stranger:
        refused(await stranger.post("/scan/decode", content=picture), 401)
    assert "/scan/decode" not in (await client.get("/openapi.json")).text


@pytest.mark.one_database
async def test_too_many_pictures_at_once_are_refused(
    small: tuple[Litestar, AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = small
    # The first request of a process loads what all pages need.
    await client.post("/scan/decode", content=b"x")
    going_on = threading.Event()
    at_once: list[int] = []
    running: set[int] = set()

    def slow(picture: bytes) -> list[decoding.DecodedCode]:
        running.add(threading.get_ident())
        at_once.append(len(running))
        going_on.wait(10)
        running.discard(threading.get_ident())
        return []

    monkeypatch.setattr(decoding, "decode_picture", slow)
    tasks = [asyncio.create_task(client.post("/scan/decode", content=b"x")) for _ in range(decoding.MOST_ADMITTED)]
    await asyncio.sleep(0.2)
    answer = await client.post("/scan/decode", content=b"x")
    refused(answer, 503, "second")
    assert answer.headers["retry-after"] == "1"
    going_on.set()
    assert {(await task).status_code for task in tasks} == {200}
    assert max(at_once) == decoding.AT_ONCE
    assert (await client.post("/scan/decode", content=b"x")).status_code == 200


@pytest.mark.one_database
async def test_without_the_decoder_the_route_says_so(
    small: tuple[Litestar, AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decoding.available()
    monkeypatch.setattr(decoding, "find_spec", lambda name: None)
    assert not decoding.available()
    refused(await small[1].post("/scan/decode", content=b"x"), 404, "camera")
