"""Documents over HTTP: upload, download, rename and delete."""

from __future__ import annotations

import asyncio
import hashlib
import io
from pathlib import Path

import pytest
from httpx import AsyncClient
from PIL import Image

from stocky.config import Config
from stocky.documents import service
from stocky.documents.blobs import Blobs
from stocky.documents.pictures import PictureRequest, PictureResult
from stocky.progress import ProgressCallback
from tests.documents.files import pdf, picture, send, uploaded
from tests.inventory import get, made, new_item, refused


async def test_file_is_returned_unchanged(member: AsyncClient, reader: AsyncClient, config: Config) -> None:
    item = await new_item(member, "LM317")
    content = pdf(3_000_000)
    document = await uploaded(member, item, content, "lm317.pdf", name="Data sheet")
    assert (document["kind"], document["name"], document["size_bytes"]) == ("pdf", "Data sheet", len(content))
    assert document["sha256"] == hashlib.sha256(content).hexdigest()
    answer = await reader.get(f"/documents/{document['id']}/content")
    assert answer.content == content
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-disposition"] == 'attachment; filename="Data sheet.pdf"'
    assert answer.headers["etag"] == f'"{document["sha256"]}"'
    assert await get(reader, f"/documents/{document['id']}") == document
    assert await get(reader, f"/items/{item['id']}/documents") == [document]
    assert list(config.backup_dir.iterdir()) == []


@pytest.mark.one_database
async def test_uploads_are_sandboxed_in_browsers(member: AsyncClient) -> None:
    item = await new_item(member)
    for content, shown in ((pdf(), "attachment"), (picture(), "inline")):
        document = await uploaded(member, item, content)
        headers = (await member.get(f"/documents/{document['id']}/content")).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["content-disposition"].startswith(f"{shown};")
        assert headers["cache-control"].startswith("private")


@pytest.mark.one_database
async def test_ranges_and_etags_work(member: AsyncClient) -> None:
    content = pdf(3_000_000)
    document = await uploaded(member, await new_item(member), content)
    path = f"/documents/{document['id']}/content"
    for wanted, first, last in (
        ("0-0", 0, 0),
        ("1000000-2500000", 1_000_000, 2_500_000),
        ("-7", len(content) - 7, None),
    ):
        part = await member.get(path, headers={"Range": f"bytes={wanted}"})
        last = len(content) - 1 if last is None else last
        assert (part.status_code, part.content) == (206, content[first : last + 1]), wanted
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(content)}"
    refused(await member.get(path, headers={"Range": f"bytes={len(content)}-"}), 416)
    for wanted in ("9" * 5000 + "-", "-" + "9" * 5000, "0-" + "9" * 5000):
        whole = await member.get(path, headers={"Range": f"bytes={wanted}"})
        assert (whole.status_code, len(whole.content)) == (200, len(content)), wanted[:3]
    etag = f'"{document["sha256"]}"'
    unchanged = await member.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == etag
    changed = await member.get(path, headers={"Range": "bytes=5-", "If-Range": '"other"'})
    assert (changed.status_code, len(changed.content)) == (200, len(content))


@pytest.mark.one_database
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_thumbnail_has_no_camera_metadata(member: AsyncClient, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "SECRET CAMERA"
    content = picture(kind, (1600, 800), exif=exif)
    assert b"SECRET CAMERA" in content
    document = await uploaded(member, await new_item(member), content)
    # The orientation tag says that the camera was held upright.
    assert (document["kind"], document["width"], document["height"]) == ("image", 800, 1600)
    answer = await member.get(f"/documents/{document['id']}/thumbnail")
    assert answer.headers["content-type"] == "image/webp"
    assert b"SECRET CAMERA" not in answer.content
    small = Image.open(io.BytesIO(answer.content))
    assert small.size == (160, 320)
    assert dict(small.getexif()) == {}
    assert (await member.get(f"/documents/{document['id']}/content")).content == content


@pytest.mark.one_database
async def test_missing_thumbnail_is_made_again(member: AsyncClient, config: Config) -> None:
    document = await uploaded(member, await new_item(member), picture())
    path = f"/documents/{document['id']}/thumbnail"
    before = (await member.get(path)).content
    (lost,) = (config.data_dir / "documents").glob("thumbnails/*/*")
    lost.unlink()
    assert (await member.get(path)).content == before
    assert lost.exists()


@pytest.mark.one_database
async def test_many_missing_thumbnails_are_made_again_while_uploads_continue(
    member: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await new_item(member)
    document = await uploaded(member, item, picture())
    (lost,) = (config.data_dir / "documents").glob("thumbnails/*/*")
    lost.unlink()
    may_end = asyncio.Event()

    async def decode(request: PictureRequest, kind: type[PictureResult], report: ProgressCallback) -> PictureResult:
        if Path(request.file).name != "upload":
            await may_end.wait()
        await asyncio.to_thread(Path(request.thumbnail).write_bytes, b"thumbnail")
        return PictureResult(width=40, height=20)

    monkeypatch.setattr(service, "run_worker", decode)
    path = f"/documents/{document['id']}/thumbnail"
    asked = [asyncio.create_task(member.get(path)) for _ in range(50)]
    await asyncio.sleep(0.5)
    # Neither uploads nor reads of the database wait for the decoder.
    await uploaded(member, item, picture(colour="red"))
    assert len(await get(member, f"/items/{item['id']}/documents")) == 2
    may_end.set()
    assert {(await each).status_code for each in asked} == {200}


@pytest.mark.one_database
async def test_slow_store_holds_no_connection(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    document = await uploaded(member, await new_item(member), picture())
    may_end = asyncio.Event()
    find_size = Blobs.find_size

    async def find_slowly(blobs: Blobs, sha256: str) -> int | None:
        await may_end.wait()
        return await find_size(blobs, sha256)

    monkeypatch.setattr(Blobs, "find_size", find_slowly)
    asked = [asyncio.create_task(member.get(f"/documents/{document['id']}/content")) for _ in range(20)]
    await asyncio.sleep(0.5)
    assert len(await get(member, "/documents")) == 1
    may_end.set()
    assert {(await each).status_code for each in asked} == {200}


@pytest.mark.one_database
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
async def test_transparent_picture_has_a_thumbnail(member: AsyncClient, kind: str) -> None:
    out = io.BytesIO()
    Image.new("LA" if kind == "PNG" else "RGBA", (500, 500)).save(out, kind)
    document = await uploaded(member, await new_item(member), out.getvalue())
    answer = await member.get(f"/documents/{document['id']}/thumbnail")
    assert Image.open(io.BytesIO(answer.content)).mode == "RGBA"


@pytest.mark.one_database
async def test_jpeg_followed_by_further_jpegs_is_accepted(member: AsyncClient) -> None:
    content = picture("JPEG") + picture("JPEG", colour="red") + bytes(700)
    document = await uploaded(member, await new_item(member), content, "phone.JPG")
    assert document["size_bytes"] == len(content)


async def test_shared_content_is_stored_once_and_stays_while_referenced(member: AsyncClient, config: Config) -> None:
    tea, soup = await new_item(member, "Tea"), await new_item(member, "Soup")
    one = await uploaded(member, tea, pdf(), "a.pdf")
    two = await uploaded(member, soup, pdf(), "b.pdf")
    assert one["id"] != two["id"]
    assert one["sha256"] == two["sha256"]
    assert len(list((config.data_dir / "documents").glob("contents/*/*"))) == 1
    assert (await member.delete(f"/documents/{one['id']}")).status_code == 204
    assert (await member.get(f"/documents/{two['id']}/content")).content == pdf()
    refused(await member.get(f"/documents/{one['id']}"), 404)
    refused(await member.get(f"/documents/{one['id']}/content"), 404)
    refused(await member.delete(f"/documents/{one['id']}"), 404)


async def test_link_has_an_address_and_no_content(member: AsyncClient) -> None:
    item = await new_item(member)
    link = made(await member.post("/documents/links", json={"item_id": item["id"], "url": "HTTPS://example.org/a?b#c"}))
    assert (link["kind"], link["url"], link["name"]) == (
        "link",
        "https://example.org/a?b#c",
        "https://example.org/a?b#c",
    )
    assert link["sha256"] is None
    refused(await member.get(f"/documents/{link['id']}/content"), 404, "https://example.org/a?b#c")
    refused(await member.get(f"/documents/{link['id']}/thumbnail"), 404)


@pytest.mark.one_database
@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://example.org/", "//example.org/x",
        "https://", "https:///x", "http://user:secret@example.org/", "https://exa mple.org", "https://example.org/\nx",
        "https://example.org:99999999/", "https://[::1", " ", "https://example.org/" + "x" * 2000,
    ],
)  # fmt: skip
async def test_unsafe_link_is_rejected(member: AsyncClient, url: str) -> None:
    item = await new_item(member)
    refused(await member.post("/documents/links", json={"item_id": item["id"], "url": url}), 422)
    assert await get(member, "/documents") == []


async def test_documents_are_listed_by_item_and_kind_and_renamed(member: AsyncClient) -> None:
    tea, soup = await new_item(member, "Tea"), await new_item(member, "Soup")
    sheet = await uploaded(member, tea, pdf(), "sheet.pdf")
    photo = await uploaded(member, soup, picture(), "photo.png")
    link = made(await member.post("/documents/links", json={"item_id": tea["id"], "url": "http://a.example"}))
    ids = [each["id"] for each in await get(member, "/documents")]
    assert ids == [sheet["id"], photo["id"], link["id"]]
    assert [each["id"] for each in await get(member, "/documents", item_id=tea["id"])] == [sheet["id"], link["id"]]
    assert [each["id"] for each in await get(member, "/documents", kind="IMAGE")] == [photo["id"]]
    assert [each["id"] for each in await get(member, "/documents", limit=1, skip=1)] == [photo["id"]]
    changed = made(await member.patch(f"/documents/{photo['id']}", json={"name": " Auf dem Regal "}))
    assert changed["name"] == "Auf dem Regal"
    refused(await member.patch(f"/documents/{photo['id']}", json={"name": "a\u202eb"}), 422)
    refused(await member.patch("/documents/999", json={"name": "x"}), 404)
    refused(await member.get("/items/999/documents"), 404)


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AC/DC", 'inline; filename="AC_DC.png"'),
        ("a.png", 'inline; filename="a.png"'),
        ("a.PNG", 'inline; filename="a.PNG"'),
        ("rev 1.2", 'inline; filename="rev 1.2.png"'),
        ('"; x="y', 'inline; filename="_; x=_y.png"'),
        ("../../x", 'inline; filename="_.._x.png"'),
        ("Gewürz", "inline; filename=\"Gew_rz.png\"; filename*=UTF-8''Gew%C3%BCrz.png"),
        ("100 %", "inline; filename=\"100 _.png\"; filename*=UTF-8''100%20%25.png"),
    ],
)
async def test_any_name_is_safe_in_the_response(member: AsyncClient, name: str, expected: str) -> None:
    document = await uploaded(member, await new_item(member), picture(), name=name)
    answer = await member.get(f"/documents/{document['id']}/content")
    assert answer.headers["content-disposition"] == expected


async def test_item_has_its_picture_until_that_is_deleted(member: AsyncClient) -> None:
    tea, soup = await new_item(member, "Tea"), await new_item(member, "Soup")
    photo = await uploaded(member, tea, picture(), "photo.png")
    sheet = await uploaded(member, tea, pdf(), "sheet.pdf")
    for path, document in ((soup, photo), (tea, sheet), (tea, {"id": 999})):
        answer = await member.patch(f"/items/{path['id']}", json={"image_document_id": document["id"]})
        refused(answer, 422, "not a picture of this item")
    shown = made(await member.patch(f"/items/{tea['id']}", json={"image_document_id": photo["id"]}))
    assert shown["image_document_id"] == photo["id"]
    assert made(await member.patch(f"/items/{tea['id']}", json={"name": "Té"}))["image_document_id"] == photo["id"]
    await member.delete(f"/documents/{photo['id']}")
    assert (await get(member, f"/items/{tea['id']}"))["image_document_id"] is None
    another = await uploaded(member, tea, picture())
    made(await member.patch(f"/items/{tea['id']}", json={"image_document_id": another["id"]}))
    none = made(await member.patch(f"/items/{tea['id']}", json={"image_document_id": None}))
    assert none["image_document_id"] is None


async def test_adding_and_deleting_documents_is_audited(member: AsyncClient, admin: AsyncClient) -> None:
    document = await uploaded(member, await new_item(member), pdf(), "sheet.pdf")
    await member.patch(f"/documents/{document['id']}", json={"name": "Sheet"})
    await member.delete(f"/documents/{document['id']}")
    entries = await get(admin, "/audit/", subject="document")
    assert [entry["action"] for entry in entries] == ["deleted", "changed", "created"]
    assert entries[0]["details"]["sha256"] == document["sha256"]


@pytest.mark.one_database
async def test_incomplete_form_is_rejected(member: AsyncClient, config: Config) -> None:
    item = await new_item(member)
    refused(await member.post("/documents", json={"item_id": item["id"]}), 400, "curl -F file=@")
    refused(await member.post("/documents", data={"item_id": "1"}, files={"other": b"x"}), 400)
    refused(await member.post("/documents", files={"file": ("a.pdf", pdf())}), 422, "item_id: is required")
    for wrong in ("0", "-1", "x", "1.5", "9" * 30, ""):
        answer = await member.post("/documents", files={"file": ("a.pdf", pdf())}, data={"item_id": wrong})
        refused(answer, 422, "item_id: must be a whole number" if wrong else "item_id: is required")
    refused(await send(member, {"id": 999}, pdf()), 404, "no item")
    refused(await send(member, item, pdf(), name="a\x07b"), 422, "name")
    by_query = await member.post(f"/documents?item_id={item['id']}&name=Sheet", files={"file": ("a.pdf", pdf())})
    assert made(by_query)["name"] == "Sheet"
    assert list(config.backup_dir.iterdir()) == []
