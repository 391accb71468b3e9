"""Which files are taken: a short list, known by their content alone; a name or type that says otherwise is refused."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

from stocky.documents.file_structure import check_jpeg, check_no_zip, check_pdf, check_png, check_webp
from stocky.errors import Invalid, Unsupported

CHUNK = 2**20
# Enough to know any of the kinds by.
BEGINNING = 16
MAX_NAME = 200
# Of one file.
MAX_BYTES = 200 * 2**20
TAKEN = "PDF, PNG, JPEG and WebP files are taken"
# What is no more than that the sender does not know.
_UNKNOWN_TYPES = ("", "application/octet-stream", "binary/octet-stream")
# The end of a name that says what a file is; "rev 1.2" does not.
_EXTENSION = re.compile(r"\.(?=[0-9]*[A-Za-z])([0-9A-Za-z]{1,10})$")
# Controls, and marks that make a name look like another.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


class FileKind(msgspec.Struct, frozen=True):
    """A kind of file that is taken."""

    content_type: str
    extensions: tuple[str, ...]
    # What Pillow calls it; empty for what is no picture.
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
_PROOFS = {PDF: check_pdf, PNG: check_png, JPEG: check_jpeg, WEBP: check_webp}


class Examined(msgspec.Struct, frozen=True):
    """What a file turned out to be."""

    kind: FileKind
    size_bytes: int
    sha256: str


def identify(beginning: bytes) -> FileKind | None:
    """The kind of a file by its first BEGINNING bytes; None when it is none of those that are taken."""
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
    """What an uploaded file is. Reads all of it: call it in a thread.

    Raises Unsupported for another kind, for one that is not what `filename` or the `declared` type says, and for a
    file that is two things at once; Invalid for a damaged one.
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
        raise Unsupported(f"This is none of the files that can be kept: {TAKEN}", field="file")
    if declared not in (*_UNKNOWN_TYPES, kind.content_type, *kind.also_called):
        raise Unsupported(f"The file was sent as {declared[:100]} but its content is {kind.content_type}", field="file")
    extension = _EXTENSION.search(filename)
    if extension and extension[1].lower() not in kind.extensions:
        raise Unsupported(
            f"The file's name ends in .{extension[1]} but its content is {kind.content_type}", field="file"
        )
    _PROOFS[kind](file)
    check_no_zip(file)
    return Examined(kind, size, hashed.hexdigest())


def check_file_name(name: str) -> str:
    """The name of an uploaded file as it may be kept. Raises Invalid for one that is a path, or pretends."""
    if _UNSAFE.search(name) or "/" in name or "\\" in name or name.strip() in (".", ".."):
        raise Invalid("file: its name may hold no path and no control characters; rename it", field="file")
    if len(name) > MAX_NAME:
        raise Invalid(f"file: its name may have {MAX_NAME} characters; rename it", field="file")
    return name.strip() or "document"


def check_title(name: str) -> str:
    """What a document is called. Raises Invalid."""
    if _UNSAFE.search(name) or not 1 <= len(name.strip()) <= MAX_NAME:
        raise Invalid(f"name: 1 to {MAX_NAME} characters, without control characters", field="name")
    return name.strip()


def download_name(title: str, kind: FileKind) -> str:
    """A file name for a document, with the extension of what it is."""
    name = re.sub(r'[/\\:*?"<>|]', "_", title).lstrip(".") or "document"
    extension = _EXTENSION.search(name)
    return name if extension and extension[1].lower() in kind.extensions else f"{name}.{kind.extensions[0]}"
