"""Answers with a file, or with the range of it that was asked for, so that a broken download can go on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from litestar import Request
from litestar.response import Stream

from stocky.errors import NotFound, RangeNotSatisfiable

CHUNK = 2**18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


async def file_answer(
    request: Request[Any, Any, Any], file: Path, *, filename: str, media_type: str, etag: str | None
) -> Stream:
    """The file as a download. `etag` changes whenever the content does; without one no range is given.

    Raises NotFound, or RangeNotSatisfiable (RFC 9110, section 14).
    """
    try:
        size = (await asyncio.to_thread(file.stat)).st_size
    except FileNotFoundError:
        raise NotFound("The file has gone meanwhile") from None
    headers = {
        "Content-Disposition": f'attachment; filename="{filename}"',
        "Cache-Control": "private, no-cache",
    }
    first, last = 0, size - 1
    wanted = None
    if etag is not None:
        headers |= {"ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if request.headers.get("if-range", f'"{etag}"') == f'"{etag}"':
            wanted = _wanted(request.headers.get("range", ""), size)
    if wanted is not None:
        first, last = wanted
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    headers["Content-Length"] = str(last - first + 1)
    return Stream(
        _read(file, first, last - first + 1),
        status_code=200 if wanted is None else 206,
        media_type=media_type,
        headers=headers,
    )


def _wanted(header: str, size: int) -> tuple[int, int] | None:
    """The first and last byte of a single range; None where the whole file is the answer."""
    match = _RANGE.fullmatch(header.replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        first, last = max(size - int(match[2]), 0), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
        if match[2] and int(match[2]) < int(match[1]):
            return None
    if first >= size:
        raise RangeNotSatisfiable(
            f"The file has {size} bytes; the range begins after its end", headers={"Content-Range": f"bytes */{size}"}
        )
    return first, last


async def _read(file: Path, start: int, length: int) -> AsyncIterator[bytes]:
    opened = await asyncio.to_thread(file.open, "rb")
    try:
        await asyncio.to_thread(opened.seek, start)
        while length > 0 and (chunk := await asyncio.to_thread(opened.read, min(CHUNK, length))):
            length -= len(chunk)
            yield chunk
    finally:
        opened.close()
