"""Files that pretend, hide or explode are refused with a reason, and leave nothing behind."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.documents import service
from tests.documents.files import hostile, pdf, picture, send
from tests.inventory import get, new_item, refused

pytestmark = pytest.mark.one_database


@pytest.mark.slow
async def test_every_hostile_file_is_refused_and_leaves_nothing(member: AsyncClient, config: Config) -> None:
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


@pytest.mark.timeout(60)
async def test_a_jpeg_of_nothing_but_marks_holds_nobody_up(member: AsyncClient) -> None:
    item = await new_item(member)
    photo = picture("JPEG")
    # In the bits of the picture, between two of its parts, and as all of it.
    begun = photo.index(b"\xff\xda") + 14
    for content in (
        photo[:begun] + b"\xff" * 10_000_000 + b"\0" + photo[begun:],
        photo[:2] + b"\xff" * 10_000_000 + b"\0" + photo[2:],
        b"\xff\xd8" + b"\xff" * 10_000_000,
    ):
        assert (await send(member, item, content, "a.jpg", "image/jpeg")).status_code in (201, 415, 422)


async def test_a_file_that_is_too_large_is_refused_as_it_comes(
    member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_BYTES", 2**20)
    item = await new_item(member)
    refused(await send(member, item, pdf(2**20)), 413, "larger than the 1 MB")
    assert (await send(member, item, pdf(2**19))).status_code == 201
