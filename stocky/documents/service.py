"""Takes documents in and gives them out: a document is answered only after its content is in the store for good."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from litestar import Request, Response
from litestar.response import Stream

from stocky.auth.schemas import Principal
from stocky.catalogue.repository import get_item
from stocky.config import Config
from stocky.db import Database
from stocky.documents import repository
from stocky.documents.blobs import Blobs
from stocky.documents.kinds import KINDS, MAX_BYTES, check_file_name, check_title, download_name, examine
from stocky.documents.requests import PictureRequest, PictureResult
from stocky.documents.schemas import Document
from stocky.errors import Invalid, NotFound, StockyError, Unavailable
from stocky.http.files import disposition, ranged_answer
from stocky.http.uploads import Upload, UploadKind, receive_upload
from stocky.schema import MAX_ID
from stocky.worker.process import run_worker
from stocky.worker.workspace import disk_errors, workspace

UPLOADS_AT_ONCE = 8
# Waiting for the one process that decodes; whoever comes then is told to come again.
PICTURES_WAITING = 16
PICTURE_SECONDS = 90
THUMBNAIL_TYPE = "image/webp"
_log = logging.getLogger(__name__)
_WANTED = UploadKind("document", "datasheet.pdf")
# Whatever it is that someone has uploaded, a browser lets it do nothing.
_CONFINED = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Documents:
    """The documents of one Stocky."""

    def __init__(self, config: Config, database: Database) -> None:
        self.blobs = Blobs(config.blobs)
        self._scratch = config.backup_dir
        self._database = database
        self._uploads = _Places(UPLOADS_AT_ONCE, 0)
        self._pictures = _Places(1, PICTURES_WAITING)
        self._look: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Looks into the store beside everything else, and says in the log when it cannot be used."""
        self._look = asyncio.create_task(self._tell_unusable())

    async def close(self) -> None:
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)

    async def _tell_unusable(self) -> None:
        try:
            await self.blobs.look()
        except StockyError as error:
            _log.warning("%s", error.detail)
        except Exception:  # noqa: BLE001 - whatever it is, documents may not work, and the log has to say so
            _log.exception("The document store could not be looked at")

    async def upload(
        self, request: Request[Any, Any, Any], by: Principal, item_id: int | None, name: str | None
    ) -> Document:
        """A document from a form with `file`, and `item_id` and `name` unless they are given here.

        Raises BadRequest, NotFound, TooLarge, Unsupported, Invalid, OutOfSpace, Unavailable; nothing is kept then.
        """
        async with self._uploads.one(), workspace(self._scratch) as place:
            upload = await receive_upload(request, place / "upload", MAX_BYTES, _WANTED)
            item_id = _item_id(upload, item_id)
            name = name or upload.fields.get("name", "").strip()
            title = check_title(name) if name else ""
            filename = check_file_name(upload.filename)
            async with self._database.read() as read:
                await get_item(read, item_id)
            if not upload.file.exists():
                raise Invalid("The file is empty", field="file")
            examined = await asyncio.to_thread(examine, upload.file, filename, upload.content_type)
            size = None
            if examined.kind.picture:
                size = await self._make_thumbnail(upload.file, examined.kind.picture, place / "thumbnail")
            async with self._database.transaction() as tx:
                await repository.adopt(tx, [examined.sha256])
            # From here on nobody deletes what is in the store; a copy that is damaged there is replaced.
            await self.blobs.put(examined.sha256, upload.file)
            if size is not None:
                await self.blobs.put_thumbnail(examined.sha256, place / "thumbnail")
            async with self._database.transaction() as tx:
                return await repository.add_file(tx, item_id, title or filename, examined, size, by)

    async def content(self, request: Request[Any, Any, Any], document: Document) -> Stream:
        """What a document holds, or the range of it that is asked for. Raises NotFound, RangeNotSatisfiable."""
        sha256, size = _content(document)
        kind = KINDS[document.content_type or ""]
        if await self.blobs.find_size(sha256) != size:
            raise _missing(document)
        shown = "inline" if kind.picture else "attachment"
        headers = {"Content-Disposition": disposition(shown, download_name(document.name, kind)), **_CONFINED}
        return ranged_answer(
            request,
            partial(self.blobs.read, sha256),
            size,
            media_type=kind.content_type,
            etag=sha256,
            headers=headers,
        )

    async def thumbnail(self, document: Document) -> Response[bytes]:
        """A picture made small; one that is not in the store, as after a restore, is made again. Raises NotFound."""
        if document.kind != "image" or document.sha256 is None:
            raise NotFound(f"Document {document.id} is no picture, so it has no small one")
        content = await self.blobs.find_thumbnail(document.sha256)
        if content is None:
            content = await self._made_again(document, document.sha256)
        headers = {"Cache-Control": "private, max-age=3600", "Content-Disposition": "inline", **_CONFINED}
        return Response(content, media_type=THUMBNAIL_TYPE, headers=headers)

    async def _made_again(self, document: Document, sha256: str) -> bytes:
        async with workspace(self._scratch) as place:
            with disk_errors():
                if not await self.blobs.fetch(sha256, place / "content"):
                    raise _missing(document)
            picture = KINDS[document.content_type or ""].picture
            await self._make_thumbnail(place / "content", picture, place / "thumbnail")
            await self.blobs.put_thumbnail(sha256, place / "thumbnail")
            return await asyncio.to_thread((place / "thumbnail").read_bytes)

    async def _make_thumbnail(self, file: Path, picture: str, thumbnail: Path) -> tuple[int, int]:
        """The size of a picture, which is written to `thumbnail` as a small one. Raises Invalid, Unavailable."""
        request = PictureRequest(file=str(file), picture=picture, thumbnail=str(thumbnail))
        async with self._pictures.one():
            try:
                async with asyncio.timeout(PICTURE_SECONDS):
                    made = await run_worker(request, PictureResult, _unheard)
            except (TimeoutError, Unavailable) as error:
                # The decoder was killed by its limits, or by the picture.
                raise Invalid("The picture cannot be decoded; save it again", field="file") from error
        return made.width, made.height


class _Places:
    """So many at once, so many more that wait for them, and the others are sent away."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._room = at_once + waiting
        self._inside = 0
        self._turn = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A place for the length of the block. Raises Unavailable."""
        if self._inside >= self._room:
            raise Unavailable("Too many documents are being sent at once; send it again", retry_after=3)
        self._inside += 1
        try:
            async with self._turn:
                yield
        finally:
            self._inside -= 1


def _item_id(upload: Upload, given: int | None) -> int:
    if given is not None:
        return given
    text = upload.fields.get("item_id", "").strip()
    if not text:
        raise Invalid("item_id: is required; send the id of the item that the document belongs to", field="item_id")
    if text.isascii() and text.isdigit() and 1 <= int(text[:17]) <= MAX_ID and len(text) < 17:
        return int(text)
    raise Invalid("item_id: must be a whole number, the id of the item that the document belongs to", field="item_id")


def _content(document: Document) -> tuple[str, int]:
    if document.sha256 is None or document.size_bytes is None:
        raise NotFound(f"Document {document.id} is a link: what it leads to is at {document.url}")
    return document.sha256, document.size_bytes


def _missing(document: Document) -> NotFound:
    return NotFound(
        f"The content of document {document.id} is not in the document store. 'stocky check' lists what is missing;"
        " an archive has it, or upload it again"
    )


def _unheard(phase: str, done: int, total: int | None, unit: str) -> None:
    return None
