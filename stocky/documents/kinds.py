"""The accepted kinds of files, detected by content alone; a name or type that differs is rejected."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

from stocky.documents.file_structure import check_jpeg, check_no_zip, check_pdf, check_png, check_webp
from stocky.errors import Invalid, Unsupported

CHUNK = 2**20
# Enough bytes to detect any kind.
BEGINNING = 16
MAX_NAME = 200
# Per file.
MAX_BYTES = 200 * 2**20
ACCEPTED = "PDF, PNG, JPEG and WebP are accepted"
# The types that mean the sender does not know.
_UNKNOWN_TYPES = ("", "application/octet-stream", "binary/octet-stream")
# A file extension; the end of "rev 1.2" is none.
_EXTENSION = re.compile(r"\.(?=[0-9]*[A-Za-z])([0-9A-Za-z]{1,10})$")
# Control characters, and marks that make a name look like another.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


class FileKind(msgspec.Struct, frozen=True):
    """An accepted kind of file."""

    content_type: str
    extensions: tuple[str, ...]
    # The name that Pillow uses; empty for other files than pictures.
    picture: str = ""
    also_called: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "image" if self.picture else "pdf"


PDF = FileKind("application/pdf", ("pdf",), also_called=("application/x-pdf",))
PNG = FileKind("image/png", ("png",), "PNG")
JPEG = FileKind("image/jpeg", ("jpg", "jpeg", "jpe", "jfif"), "JPEG", also_called=("image/jpg", "image/pjpeg"))
WEBP = FileKind("image/webp", ("webp",), "WEBP")
KINDS = {each.content_type: each for each in (PDF, PNG, JPEG, WEBP)}
_STRUCTURE_CHECKS = {PDF: check_pdf, PNG: check_png, JPEG: check_jpeg, WEBP: check_webp}


class Examined(msgspec.Struct, frozen=True):
    """The detected kind, size and hash of a file."""

    kind: FileKind
    size_bytes: int
    sha256: str


def identify(beginning: bytes) -> FileKind | None:
    """The kind of a file by its first BEGINNING bytes; None when it is not accepted."""
    if beginning.startswith((b"%PDF-1.", b"%PDF-2.")):
        return PDF
    if beginning.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if beginning.startswith(b"\xff\xd8\xff"):
        return JPEG
    if beginning.startswith(b"RIFF") and beginning[8:12] == b"WEBP":
        return WEBP
    return None


def examine(file: Path, filename: str, declared: str) -> Examined:
    """Detects and checks the kind of an uploaded file. Reads all of it: call it in a thread.

    Raises Unsupported for a kind that is not accepted or differs from `filename` or the `declared` type, and for a
    file of two formats; Invalid for a damaged one.
    """
    hashed, size = hashlib.sha256(), 0
    with file.open("rb") as opened:
        kind = identify(opened.read(BEGINNING))
        opened.seek(0)
        while chunk := opened.read(CHUNK):
            hashed.update(chunk)
            size += len(chunk)
    if size == 0:
        raise Invalid("The file is empty", field="file")
    if kind is None:
        raise Unsupported(f"This kind of file is not accepted: {ACCEPTED}", field="file")
    if declared not in (*_UNKNOWN_TYPES, kind.content_type, *kind.also_called):
        raise Unsupported(f"The file was sent as {declared[:100]} but its content is {kind.content_type}", field="file")
    extension = _EXTENSION.search(filename)
    if extension and extension[1].lower() not in kind.extensions:
        raise Unsupported(
            f"The file's name ends in .{extension[1]} but its content is {kind.content_type}", field="file"
        )
    _STRUCTURE_CHECKS[kind](file)
    check_no_zip(file)
    return Examined(kind, size, hashed.hexdigest())


def check_file_name(name: str) -> str:
    """The name of an uploaded file to store. Raises Invalid for a path or a misleading name."""
    if _UNSAFE.search(name) or "/" in name or "\\" in name or name.strip() in (".", ".."):
        raise Invalid("file: its name must not contain a path or control characters; rename it", field="file")
    if len(name) > MAX_NAME:
        raise Invalid(f"file: its name must have at most {MAX_NAME} characters; rename it", field="file")
    return name.strip() or "document"


def check_title(name: str) -> str:
    """The name of a document, stripped. Raises Invalid."""
    if _UNSAFE.search(name) or not 1 <= len(name.strip()) <= MAX_NAME:
        raise Invalid(f"name: must have 1 to {MAX_NAME} characters, without control characters", field="name")
    return name.strip()


def download_name(title: str, kind: FileKind) -> str:
    """A file name for a document, with the extension of its kind."""
    name = re.sub(r'[/\\:*?"<>|]', "_", title).lstrip(".") or "document"
    extension = _EXTENSION.search(name)
    return name if extension and extension[1].lower() in kind.extensions else f"{name}.{kind.extensions[0]}"
