"""QR codes of items and locations, and the effect of scanning them."""

from __future__ import annotations

import io
import json

import segno
from httpx import AsyncClient

from tests.inventory import made, new_item, new_location, new_stock, refused

PNG = {"Accept": "image/png"}


def picture_of(text: str) -> bytes:
    """A QR code of exactly this text, by Stocky's library and settings."""
    out = io.BytesIO()
    segno.make(text, micro=False, error="q").save(out, kind="png", scale=8, border=4)
    return out.getvalue()


async def test_item_qr_code_is_its_code(member: AsyncClient, scanner: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    await new_stock(member, item, shelf, 3)
    drawn = await scanner.get(f"/items/{item['id']}/qr", headers=PNG)
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/png")
    assert drawn.content == picture_of(item["code"])
    looked_up = made(await scanner.post(f"/scanner/lookup/{item['code']}"))
    assert looked_up["item"]["id"] == item["id"]


async def test_location_qr_code_is_its_command(member: AsyncClient, scanner: AsyncClient) -> None:
    shelf = await new_location(member)
    text = json.dumps({"command": "set_location", "payload": {"location_id": shelf["id"]}}, separators=(",", ":"))
    drawn = await scanner.get(f"/locations/{shelf['id']}/qr", headers=PNG)
    assert drawn.content == picture_of(text)
    answer = made(await scanner.post("/scanner/scan", json={"upc": text, "scanner_id": "s1"}))
    assert answer["scanner_state"]["location_id"] == shelf["id"]


async def test_qr_code_is_svg_unless_png_is_requested(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    for path in (f"/items/{item['id']}/qr", f"/locations/{shelf['id']}/qr"):
        for accept in ("*/*", "image/svg+xml", "image/*", "text/html,image/svg+xml;q=0.9"):
            drawn = await member.get(path, headers={"Accept": accept})
            assert drawn.headers["content-type"].startswith("image/svg+xml"), accept
            assert b"<svg" in drawn.content
        preferred = await member.get(path, headers={"Accept": "image/svg+xml;q=0.5, image/png"})
        assert preferred.headers["content-type"] == "image/png"
    refused(await member.get("/items/999/qr"), 404)
    refused(await member.get("/locations/999/qr"), 404)
