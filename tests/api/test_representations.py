"""Reads have an ETag, answer 304 to a client that has the content, and are compressed where a client accepts that."""

from __future__ import annotations

import gzip

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.app import make_routes
from tests.inventory import get, made, new_item, new_location, new_stock, refused

PATHS = [
    "/items", "/items/1", "/skus", "/skus/1", "/skus/1?expand=item,location", "/locations", "/locations/1", "/boxes/1",
    "/search?q=coffee", "/events", "/events/1", "/shopping-lists/1", "/projects", "/alerts", "/openapi.json",
]  # fmt: skip


@pytest.mark.usefixtures("one_of_each")
async def test_reads_have_an_etag_and_are_not_sent_twice(admin: AsyncClient) -> None:
    for path in PATHS:
        first = await admin.get(path)
        assert first.status_code == 200
        etag = first.headers["etag"]
        assert first.headers["cache-control"] == "private, no-cache"
        assert "accept-encoding" in first.headers["vary"].lower()
        for known in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
            again = await admin.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag), path
            assert again.headers["x-request-id"]
            assert again.headers.get("x-total-count") == first.headers.get("x-total-count")
        head = await admin.head(path, headers={"If-None-Match": etag})
        assert (head.status_code, head.headers["etag"]) == (304, etag)
        head = await admin.head(path)
        assert (head.status_code, head.headers["etag"], head.headers["content-length"]) == (
            200, etag, first.headers["content-length"],
        )  # fmt: skip
        assert (await admin.get(path, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_etag_changes_with_the_content_and_serves_as_if_match(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    sku = await new_stock(member, item, shelf, 1)
    for path, change in ((f"/items/{item['id']}", {"name": "Tea"}), (f"/skus/{sku['id']}", {"notes": "open"})):
        etag = (await member.get(path)).headers["etag"]
        made(await member.post(f"/skus/{sku['id']}/adjust", json={"delta": 1}))
        after = await member.get(path, headers={"If-None-Match": etag})
        assert after.status_code == 200
        assert after.headers["etag"] != etag
        made(await member.patch(path, json=change, headers={"If-Match": after.headers["etag"]}))
        refused(await member.patch(path, json=change, headers={"If-Match": after.headers["etag"]}), 412)
        refused(await member.patch(path, json=change, headers={"If-Match": '"1-x"'}), 400)
    path = f"/items/{item['id']}"
    for read in (path, f"/items/code/{item['code']}", f"/items/upc/{item['code']}"):
        etag = (await member.get(read)).headers["etag"]
        made(await member.patch(path, json={"name": f"Tea of {read}"}, headers={"If-Match": etag}))
    lists = await member.get("/items")
    await new_item(member, "Salt")
    assert (await member.get("/items", headers={"If-None-Match": lists.headers["etag"]})).status_code == 200


async def test_if_match_takes_several_versions(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    sku = await new_stock(member, item, shelf, 1)
    for path, change in ((f"/items/{item['id']}", {"name": "Tea"}), (f"/skus/{sku['id']}", {"notes": "open"})):
        etag = (await member.get(path)).headers["etag"]
        refused(await member.patch(path, json=change, headers={"If-Match": '"98", W/"99"'}), 412)
        refused(await member.patch(path, json=change, headers={"If-Match": f'"x", {etag}'}), 400, "If-Match")
        made(await member.patch(path, json=change, headers={"If-Match": f'"99", {etag}'}))
    count = {"quantity": 4}
    version = (await get(member, f"/skus/{sku['id']}"))["version"]
    path = f"/skus/{sku['id']}/quantity"
    refused(await member.put(path, json=count, headers={"If-Match": '"98","99"'}), 412)
    made(await member.put(path, json=count, headers={"If-Match": f'"98",{version}'}))


async def test_only_larger_reads_are_compressed_and_only_if_accepted(member: AsyncClient) -> None:
    for number in range(10):
        await new_item(member, f"Salt {number}", description="x" * 50)
    plain = await member.get("/items", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    async with member.stream("GET", "/items", headers={"Accept-Encoding": "br, gzip;q=0.5"}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(raw))
    assert len(raw) < len(plain.content) / 2
    assert gzip.decompress(raw) == plain.content
    assert answer.headers["etag"] == f"W/{plain.headers['etag']}"
    known = {"Accept-Encoding": "gzip", "If-None-Match": answer.headers["etag"]}
    assert (await member.get("/items", headers=known)).status_code == 304
    refusing = await member.get("/items", headers={"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in refusing.headers
    small = await member.get("/items?limit=1", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers
    scanned = {"upc": "40063813", "scanner_id": "s1"}
    for path, body in (
        ("/scanner/scan", scanned),
        ("/items", {"name": "x", "description": "x" * 1000, "tags": ["y" * 50]}),
    ):
        posted = await member.post(path, json=body, headers={"Accept-Encoding": "gzip"})
        assert posted.status_code < 300
        assert not {"content-encoding", "etag"} & set(posted.headers)


async def test_errors_and_files_are_sent_as_before(admin: AsyncClient) -> None:
    missing = await admin.get("/items/987654", headers={"If-None-Match": "*"})
    assert missing.status_code == 404
    assert "etag" not in missing.headers
    item = await new_item(admin)
    picture = await admin.get(f"/items/{item['id']}/qr")
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert "etag" not in picture.headers
    assert (await get(admin, "/health"))["status"] == "healthy"


def test_other_origins_may_send_and_read_these_headers() -> None:
    app: Litestar = make_routes(["https://shop.example.org"])
    cors = app.cors_config
    assert cors is not None
    sent = {"if-match", "if-none-match", "x-api-key", "last-event-id", "range"}
    assert sent <= {name.lower() for name in cors.allow_headers}
    exposed = {"ETag", "Link", "X-Total-Count", "Content-Disposition", "Retry-After", "X-Request-ID", "Location"}
    assert exposed <= set(cors.expose_headers)
