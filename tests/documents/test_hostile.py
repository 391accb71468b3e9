"""Hostile files are rejected with a reason and leave nothing behind."""

from __future__ import annotations

from zlib import compress, crc32

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.documents import service
from tests.documents.files import hostile, pdf, picture, send
from tests.inventory import get, new_item, refused

pytestmark = pytest.mark.one_database


@pytest.mark.slow
async def test_hostile_files_are_rejected_and_leave_nothing(member: AsyncClient, config: Config) -> None:
    item = await new_item(member)
    answers = {}
    for each in hostile():
        answer = await send(member, item, each.content, each.filename, each.content_type)
        if answer.status_code != each.status or not answer.json()["detail"]:
            answers[each.what] = (answer.status_code, answer.text)
    assert answers == {}
    assert await get(member, "/documents") == []
    assert not list((config.data_dir / "documents").glob("*/*/*"))
    assert list(config.backup_dir.iterdir()) == []
    assert not (config.data_dir.parent / "secret-key.pdf").exists()


def png(header: bytes, data: bytes) -> bytes:
    """A PNG with contiguous parts and valid checksums, but arbitrary content."""
    parts = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    written = b"\x89PNG\r\n\x1a\n"
    for kind, body in parts:
        written += len(body).to_bytes(4, "big") + kind + body + crc32(kind + body).to_bytes(4, "big")
    return written


async def test_rejection_of_a_picture_reveals_nothing_of_the_server(member: AsyncClient) -> None:
    item = await new_item(member)
    size = (8).to_bytes(4, "big") * 2
    for content in (
        png(size + bytes([3, 7, 0, 0, 0]), compress(b"x" * 99)),
        png(size + bytes([8, 2, 0, 0, 0]), b"x" * 99),
        png(size + bytes([8, 3, 0, 0, 0]), compress(b"")),
    ):
        detail = refused(await send(member, item, content, "a.png", "image/png"), 422)["detail"]
        assert detail == "The picture is damaged or of another kind than declared; save it again"


@pytest.mark.timeout(60)
async def test_jpeg_of_markers_only_is_checked_in_linear_time(member: AsyncClient) -> None:
    item = await new_item(member)
    photo = picture("JPEG")
    # In the scan data, between two parts, and as the whole file.
    begun = photo.index(b"\xff\xda") + 14
    for content in (
        photo[:begun] + b"\xff" * 10_000_000 + b"\0" + photo[begun:],
        photo[:2] + b"\xff" * 10_000_000 + b"\0" + photo[2:],
        b"\xff\xd8" + b"\xff" * 10_000_000,
    ):
        assert (await send(member, item, content, "a.jpg", "image/jpeg")).status_code in (201, 415, 422)


async def test_jpeg_followed_by_very_many_jpegs_is_rejected(member: AsyncClient) -> None:
    content = picture("JPEG") + b"\xff\xd8\xff\xda\x00\x02\xff\xd9" * 120_000
    refused(await send(member, await new_item(member), content, "a.jpg", "image/jpeg"), 422, "too many parts")


async def test_too_large_file_is_rejected_during_upload(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_BYTES", 2**20)
    item = await new_item(member)
    refused(await send(member, item, pdf(2**20)), 413, "larger than the limit of 1 MB")
    assert (await send(member, item, pdf(2**19))).status_code == 201
