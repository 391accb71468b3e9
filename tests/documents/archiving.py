"""Documents for archives, the contents of the store, and modified archives."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from httpx import AsyncClient

from stocky.config import Config
from stocky.documents.blobs import Blobs
from tests.backup.test_system_api import stored
from tests.documents.files import pdf, picture, uploaded
from tests.inventory import Json, new_item

SHEET, PHOTO = pdf(6_000_000, "sheet"), picture("JPEG", (300, 200))


async def fill(admin: AsyncClient) -> list[Json]:
    """Adds two contents, one of them twice."""
    tea, soup = await new_item(admin, "Tea"), await new_item(admin, "Soup")
    return [
        await uploaded(admin, tea, SHEET, "sheet.pdf"),
        await uploaded(admin, soup, SHEET, "again.pdf"),
        await uploaded(admin, tea, PHOTO, "photo.jpg"),
    ]


async def contents(config: Config) -> set[str]:
    return {blob.sha256 async for page in Blobs(config.blobs).list() for blob in page}


async def empty(config: Config) -> None:
    for sha256 in await contents(config):
        await Blobs(config.blobs).remove(sha256)


async def archived(admin: AsyncClient, config: Config) -> tuple[Json, Path]:
    backup = await stored(admin)
    return backup, config.backup_dir / backup["filename"]


def rewritten(archive: bytes, change: Callable[[dict[str, bytes], dict[str, Any]], None]) -> bytes:
    """The archive with its members or their manifest changed."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    metadata = json.loads(members.pop("metadata.json"))
    change(members, metadata)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
        made.writestr("metadata.json", json.dumps(metadata))
    return out.getvalue()
