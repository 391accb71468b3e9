"""Stores and serves documents; an upload is confirmed only after its content is durable in the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.response import Stream

from stocky.auth.schemas import Principal
from stocky.catalogue.repository import get_item
from stocky.config import Config
from stocky.db import Database
from stocky.disk import disk_errors
from stocky.documents import repository
from stocky.documents.blobs import Blobs
from stocky.documents.kinds import (
    KINDS,
    MAX_BYTES,
    Examined,
    check_file_name,
    check_title,
    download_name,
    examine,
)
from stocky.documents.pictures import PictureRequest, PictureResult
from stocky.documents.schemas import Document
from stocky.errors import Invalid, NotFound, StockyError, Unavailable
from stocky.http.files import disposition, ranged_answer
from stocky.http.uploads import Upload, UploadKind, receive_upload
from stocky.progress import ignore_progress
from stocky.schema import MAX_ID
from stocky.worker.process import run_worker
from stocky.worker.workspace import workspace

UPLOADS_AT_ONCE = 8
# Uploads that may wait for their one decoding process; more get a 503 with Retry-After.
PICTURES_WAITING = 16
# The same for pictures of the store, of which a page may show a hundred without thumbnails after a restore.
REDUCTIONS_WAITING = 200
PICTURE_SECONDS = 90
THUMBNAIL_TYPE = "image/webp"
_log = logging.getLogger(__name__)
_UPLOAD_KIND = UploadKind("document", "datasheet.pdf")
# Browsers run nothing in an uploaded file, whatever it is.
_SANDBOX_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class StoredContent(msgspec.Struct, frozen=True):
    """A content in the store; `size` is of a picture, upright and in pixels."""

    examined: Examined
    size: tuple[int, int] | None


class Documents:
    """Uploads, contents and thumbnails of documents."""

    def __init__(self, config: Config, database: Database) -> None:
        self.blobs = Blobs(config.blobs)
        self._scratch = config.backup_dir
        self._database = database
        self._uploads = _Slots(UPLOADS_AT_ONCE, 0, "uploads")
        self._pictures = _Slots(1, PICTURES_WAITING, "uploads")
        self._reductions = _Slots(1, REDUCTIONS_WAITING, "pictures")
        self._check: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Checks the store in the background, and logs when it cannot be used."""
        self._check = asyncio.create_task(self._log_unusable())

    async def close(self) -> None:
        if self._check is not None:
            self._check.cancel()
            await asyncio.gather(self._check, return_exceptions=True)

    async def _log_unusable(self) -> None:
        try:
            await self.blobs.check_usable()
        except StockyError as error:
            _log.warning("%s", error.detail)
        except Exception:  # noqa: BLE001 - whatever the cause, the log must show that documents may not work
            _log.exception("The document store could not be checked")

    async def upload(
        self, request: Request[Any, Any, Any], by: Principal, item_id: int | None, name: str | None
    ) -> Document:
        """Adds a document from a form with `file`, and `item_id` and `name` unless they are arguments.

        Raises BadRequest, NotFound, TooLarge, Unsupported, Invalid, OutOfSpace, Unavailable; then no document is added.
        """
        async with self._uploads.slot(), workspace(self._scratch) as directory:
            upload = await receive_upload(request, directory / "upload", MAX_BYTES, _UPLOAD_KIND)
            item_id = _item_id(upload, item_id)
            name = name or upload.fields.get("name", "").strip()
            title = check_title(name) if name else ""
            filename = check_file_name(upload.filename)
            async with self._database.read() as read:
                await get_item(read, item_id)
            if not upload.file.exists():
                raise Invalid("The file is empty", field="file")
            stored = await self.store(upload.file, filename, upload.content_type)
            async with self._database.transaction() as tx:
                return await repository.add_file(tx, item_id, title or filename, stored.examined, stored.size, by)

    async def store(self, file: Path, filename: str, declared: str) -> StoredContent:
        """Checks a file in a workspace and stores its content, for a document to be added now.

        Raises Unsupported, Invalid, OutOfSpace, Unavailable.
        """
        examined = await asyncio.to_thread(examine, file, filename, declared)
        thumbnail, size = file.with_name("thumbnail"), None
        if examined.kind.picture:
            async with self._pictures.slot():
                size = await self._make_thumbnail(file, examined.kind.picture, thumbnail)
        async with self._database.transaction() as tx:
            await repository.adopt(tx, [examined.sha256])
        # From here on the content is not deleted; a damaged copy in the store is replaced.
        await self.blobs.put(examined.sha256, file)
        if size is not None:
            await self.blobs.put_thumbnail(examined.sha256, thumbnail)
        return StoredContent(examined, size)

    async def content(self, request: Request[Any, Any, Any], document: Document) -> Stream:
        """The content of a document, or the requested range of it. Raises NotFound, RangeNotSatisfiable."""
        sha256, size = _content(document)
        kind = KINDS[document.content_type or ""]
        if await self.blobs.find_size(sha256) != size:
            raise _missing(document)
        shown = "inline" if kind.picture else "attachment"
        headers = {"Content-Disposition": disposition(shown, download_name(document.name, kind)), **_SANDBOX_HEADERS}
        return ranged_answer(
            request,
            partial(self.blobs.read, sha256),
            size,
            media_type=kind.content_type,
            etag=sha256,
            headers=headers,
        )

    async def thumbnail(self, document: Document) -> Response[bytes]:
        """The thumbnail of a picture; made again when it is missing, as after a restore. Raises NotFound."""
        if document.kind != "image" or document.sha256 is None:
            raise NotFound(f"Document {document.id} is not a picture, so it has no thumbnail")
        content = await self.blobs.find_thumbnail(document.sha256)
        if content is None:
            content = await self._regenerate_thumbnail(document)
        headers = {"Cache-Control": "private, max-age=3600", "Content-Disposition": "inline", **_SANDBOX_HEADERS}
        return Response(content, media_type=THUMBNAIL_TYPE, headers=headers)

    async def small_jpeg(self, document: Document, side: int) -> bytes:
        """A picture as a JPEG of at most `side` pixels in each direction, upright and without camera metadata.

        Raises NotFound, Invalid, Unavailable.
        """
        async with self._reduced(document, side=side, format="JPEG") as file:
            return await asyncio.to_thread(file.read_bytes)

    async def _regenerate_thumbnail(self, document: Document) -> bytes:
        sha256, _ = _content(document)
        async with self._reduced(document) as thumbnail:
            await self.blobs.put_thumbnail(sha256, thumbnail)
            return await asyncio.to_thread(thumbnail.read_bytes)

    @asynccontextmanager
    async def _reduced(self, document: Document, **options: Any) -> AsyncIterator[Path]:
        """A file with the picture made smaller, for the block; `options` are those of PictureRequest."""
        sha256, _ = _content(document)
        # Only one picture at a time is fetched, since each may have 200 MB.
        async with self._reductions.slot(), workspace(self._scratch) as directory:
            with disk_errors():
                if not await self.blobs.fetch(sha256, directory / "content"):
                    raise _missing(document)
            picture = KINDS[document.content_type or ""].picture
            await self._make_thumbnail(directory / "content", picture, directory / "thumbnail", **options)
            yield directory / "thumbnail"

    async def _make_thumbnail(self, file: Path, picture: str, thumbnail: Path, **options: Any) -> tuple[int, int]:
        """Writes the thumbnail of a picture and returns the size of the picture. Raises Invalid, Unavailable."""
        request = PictureRequest(file=str(file), picture=picture, thumbnail=str(thumbnail), **options)
        try:
            async with asyncio.timeout(PICTURE_SECONDS):
                made = await run_worker(request, PictureResult, ignore_progress)
        except (TimeoutError, Unavailable) as error:
            # The limits or the picture killed the decoder.
            raise Invalid("The picture cannot be decoded; save it again", field="file") from error
        return made.width, made.height


class _Slots:
    """Allows `at_once` uses at a time and `waiting` more in a queue; rejects the rest, naming what they are."""

    def __init__(self, at_once: int, waiting: int, name: str) -> None:
        self._name = name
        self._limit = at_once + waiting
        self._used = 0
        self._semaphore = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Holds a slot for the length of the block. Raises Unavailable."""
        if self._used >= self._limit:
            raise Unavailable(f"Too many {self._name} at once; send it again", retry_after=3)
        self._used += 1
        try:
            async with self._semaphore:
                yield
        finally:
            self._used -= 1


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
        raise NotFound(f"Document {document.id} is a link; its content is at {document.url}")
    return document.sha256, document.size_bytes


def _missing(document: Document) -> NotFound:
    return NotFound(
        f"The content of document {document.id} is not in the document store. 'stocky check' lists missing contents;"
        " restore it from an archive, or upload it again"
    )
