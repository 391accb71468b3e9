"""Writes an uploaded file to disk as it arrives, with at most a chunk in memory and never more than allowed."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from litestar import Request
from litestar.exceptions import InternalServerException
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from stocky.disk import disk_errors
from stocky.errors import BadRequest, TooLarge

FIELD = "file"
# Forms of pages carry it; it is checked before, and no option of an upload.
TOKEN_FIELD = "csrf"
USE_UPLOAD = "send a larger one as a file to /api/v1/backup/upload/import/full or /partial"
# Bytes buffered before a thread writes them.
CHUNK = 2**20
# Other form fields hold values like "true".
MAX_FIELD = 1024
MAX_PARTS = 20
_BOUNDARY = re.compile(r"boundary=(?:\"([^\"]+)\"|([^;\s]+))", re.IGNORECASE)


class Upload(msgspec.Struct, frozen=True):
    """A received upload: its file on disk, its declared name and type, and the form's other fields.

    `content_type` is in lower case and without options, empty where none was sent.
    """

    file: Path
    filename: str
    fields: dict[str, str]
    content_type: str = ""


class UploadKind(msgspec.Struct, frozen=True):
    """Texts for the error messages of a kind of upload: what it is, an example of a name, a hint when too large."""

    what: str
    example: str
    otherwise: str = ""
    max_field: int = MAX_FIELD


BACKUP = UploadKind(
    "backup",
    "stocky_backup_….sql.gz",
    " (STOCKY_MAX_UPLOAD_MB); use 'stocky restore FILE' on the server for it",
)


async def receive_upload(
    request: Request[Any, Any, Any], target: Path, max_bytes: int, wanted: UploadKind = BACKUP
) -> Upload:
    """Writes the form's `file` to `target`.

    Raises BadRequest for a form without one or no form at all, TooLarge, or OutOfSpace.
    """
    boundary = boundary_of(request)
    if boundary is None:
        raise BadRequest(f"Send the {wanted.what} as a form: curl -F {FIELD}=@{wanted.example} …")
    receiver = _Receiver(target, max_bytes, wanted)
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_PARTS) as parser:
            async for chunk in request.stream():
                if not chunk:
                    continue
                for part in parser.parse(chunk):
                    receiver.take(part)
                if len(receiver.waiting) >= CHUNK:
                    await asyncio.to_thread(receiver.write)
        await asyncio.to_thread(receiver.write)
    except ParserLimitReached as error:
        raise BadRequest("The form has too many fields, or one with too much before its content; send less") from error
    except (MultipartError, InternalServerException) as error:
        # Litestar raises InternalServerException for a disconnected client.
        raise BadRequest("The form is damaged or was cut off; send it again") from error
    finally:
        receiver.close()
    if receiver.filename is None:
        raise BadRequest(f"The form has no field {FIELD!r} with a file: curl -F {FIELD}=@{wanted.example} …")
    return Upload(target, receiver.filename, receiver.fields, receiver.content_type)


def boundary_of(request: Request[Any, Any, Any]) -> bytes | None:
    """The boundary of a multipart form; None for any other body."""
    kind = request.headers.get("content-type", "")
    boundary = _BOUNDARY.search(kind)
    if boundary is None or not kind.lower().startswith("multipart/form-data"):
        return None
    return (boundary[1] or boundary[2]).encode("latin-1")


async def receive_base64(text: str, target: Path, max_bytes: int) -> None:
    """Decodes `text` into `target`. Raises BadRequest, TooLarge or OutOfSpace."""
    if len(text) > (max_bytes + 2) // 3 * 4:
        raise TooLarge(f"backup_data may have at most {max_bytes // 2**20} MiB of a dump; {USE_UPLOAD}")
    await asyncio.to_thread(_write_base64, text, target)


def _write_base64(text: str, target: Path) -> None:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"Invalid base64 in backup_data: {error}") from error
    with disk_errors():
        target.write_bytes(content)


class _Receiver:
    """Collects the parts of a form: the file on disk, the other fields in memory."""

    def __init__(self, target: Path, max_bytes: int, wanted: UploadKind) -> None:
        self._wanted = wanted
        self.filename: str | None = None
        self.content_type = ""
        self.fields: dict[str, str] = {}
        self.waiting = bytearray()
        self._target = target
        self._max_bytes = max_bytes
        self._received = 0
        self._segment: MultipartSegment | None = None
        self._value = bytearray()
        self._opened: BinaryIO | None = None

    def take(self, part: MultipartSegment | bytearray | None) -> None:
        """Takes the start of a segment, some of its content, or None at its end. Raises BadRequest or TooLarge."""
        if isinstance(part, MultipartSegment):
            self._segment = part
            self._value.clear()
            if self._is_file():
                if self.filename is not None:
                    raise BadRequest(f"The form has the field {FIELD!r} twice; send one {self._wanted.what} at a time")
                self.filename = part.filename or ""
                self.content_type = part.content_type or ""
            elif part.filename:
                raise BadRequest(f"The form has a file in the field {part.name!r}; send it as {FIELD!r}")
        elif part is None:
            if not self._is_file() and self._segment is not None and self._segment.name != TOKEN_FIELD:
                self.fields[self._segment.name] = self._value.decode("utf-8", "replace")
        elif self._is_file():
            self._received += len(part)
            if self._received > self._max_bytes:
                raise TooLarge(
                    f"The {self._wanted.what} is larger than the limit of {self._max_bytes // 2**20} MB"
                    f"{self._wanted.otherwise}"
                )
            self.waiting += part
        else:
            self._value += part
            if len(self._value) > self._wanted.max_field:
                raise BadRequest(f"The form's field {self._segment.name if self._segment else ''!r} is too long")

    def write(self) -> None:
        """Writes the buffered bytes. Called in a thread."""
        with disk_errors():
            if self._opened is None:
                self._opened = self._target.open("wb")
            self._opened.write(self.waiting)
            self._opened.flush()
        self.waiting.clear()

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def _is_file(self) -> bool:
        return self._segment is not None and self._segment.name == FIELD
