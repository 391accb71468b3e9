"""Documents work the same on disk and in a real S3 server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.documents.blobs import Blobs
from tests.cli.running import stocky
from tests.documents.files import pdf, picture, uploaded
from tests.inventory import new_item, refused

pytestmark = pytest.mark.one_database


@pytest.fixture
def environ(environ: dict[str, str], store_environ: dict[str, str]) -> dict[str, str]:
    return environ | store_environ


async def test_documents_are_stored_read_and_deleted(
    member: AsyncClient, config: Config, environ: dict[str, str]
) -> None:
    item = await new_item(member)
    # Large enough to be sent to S3 in several parts.
    content = pdf(12_000_000, mark="large")
    sheet = await uploaded(member, item, content, "sheet.pdf")
    photo = await uploaded(member, item, picture("JPEG", (900, 600)), "photo.jpg")
    assert (await member.get(f"/documents/{sheet['id']}/content")).content == content
    part = await member.get(f"/documents/{sheet['id']}/content", headers={"Range": "bytes=6000000-9999999"})
    assert (part.status_code, part.content) == (206, content[6_000_000:10_000_000])
    assert (await member.get(f"/documents/{photo['id']}/thumbnail")).headers["content-type"] == "image/webp"
    blobs = Blobs(config.blobs)
    assert {blob.sha256 async for page in blobs.list() for blob in page} == {sheet["sha256"], photo["sha256"]}
    assert (await asyncio.to_thread(stocky, environ, "check")).returncode == 0
    await blobs.remove(photo["sha256"])
    await blobs.remove(photo["sha256"])
    assert await blobs.find_size(photo["sha256"]) is None
    assert await blobs.find_thumbnail(photo["sha256"]) is None
    assert f"document {photo['id']}" in (await asyncio.to_thread(stocky, environ, "check")).stdout
    refused(await member.get(f"/documents/{photo['id']}/content"), 404, "not in the document store")
    refused(await member.get(f"/documents/{photo['id']}/thumbnail"), 404, "not in the document store")


async def test_failed_upload_stores_nothing(config: Config) -> None:
    blobs = Blobs(config.blobs)

    def broken() -> Iterator[bytes]:
        yield b"x" * 6_000_000
        raise ConnectionResetError("the other side has gone")

    with pytest.raises(Exception, match=r"gone|document store"):
        blobs.put_now("contents", "0" * 64, broken())
    assert [blob async for page in blobs.list() for blob in page] == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "0" * 63, "0" * 63 + "/", "", "0" * 64 + "\n"])
async def test_only_a_sha256_is_accepted_as_a_name(config: Config, name: str) -> None:
    with pytest.raises(ValueError, match="no SHA-256"):
        await Blobs(config.blobs).find_size(name)
    with pytest.raises(ValueError, match="no SHA-256"):
        await Blobs(config.blobs).remove(name)
