"""What documents ask a child process for, and the result."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from stocky.worker.messages import Request


class PictureRequest(Request, frozen=True, kw_only=True):
    """The picture in `file`, of the kind that Pillow calls `picture`, to be decoded and made small as `thumbnail`."""

    entry: ClassVar[str] = "stocky.documents.pictures:make_thumbnail_in_child"
    file: str
    picture: str
    thumbnail: str


class PictureResult(msgspec.Struct, frozen=True, kw_only=True):
    """How large the picture is, upright and in pixels."""

    width: int
    height: int
