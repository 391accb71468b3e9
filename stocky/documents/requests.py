"""The request and the result of the child process that makes thumbnails."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from stocky.worker.messages import Request


class PictureRequest(Request, frozen=True, kw_only=True):
    """Decode the picture in `file`, of Pillow's format `picture`, and write its thumbnail to `thumbnail`."""

    entry: ClassVar[str] = "stocky.documents.pictures:make_thumbnail_in_child"
    file: str
    picture: str
    thumbnail: str


class PictureResult(msgspec.Struct, frozen=True, kw_only=True):
    """The size of the picture, upright and in pixels."""

    width: int
    height: int
