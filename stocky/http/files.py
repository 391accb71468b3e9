"""File responses with support for ranges, so that an interrupted download can resume."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any
from urllib.parse import quote

from litestar import Request
from litestar.response import Stream

from stocky.errors import NotFound, RangeNotSatisfiable
from stocky.http.representation import holds_etag
from stocky.worker.completion import opened_in_thread

CHUNK = 2**18
# int() rejects text of thousands of digits, and no file is that large.
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


# Yields bytes in chunks, from a start offset, for a length.
Read = Callable[[int, int], AsyncIterator[bytes]]


async def file_answer(
    request: Request[Any, Any, Any], file: Path, *, filename: str, media_type: str, etag: str | None
) -> Stream:
    """The file as a download. `etag` changes whenever the content does; without one, ranges are not supported.

    Raises NotFound, or RangeNotSatisfiable (RFC 9110, section 14).
    """
    try:
        size = (await asyncio.to_thread(file.stat)).st_size
    except FileNotFoundError:
        raise NotFound("The file was deleted meanwhile") from None
    headers = {"Content-Disposition": disposition("attachment", filename)}
    return ranged_answer(request, partial(_read, file), size, media_type=media_type, etag=etag, headers=headers)


def ranged_answer(
    request: Request[Any, Any, Any],
    read: Read,
    size: int,
    *,
    media_type: str,
    etag: str | None,
    headers: dict[str, str],
) -> Stream:
    """A response with `size` bytes from `read`, or the requested range, or 304 where the client has them.

    Raises RangeNotSatisfiable.
    """
    headers = {"Cache-Control": "private, no-cache", **headers}
    first, last = 0, size - 1
    wanted = None
    if etag is not None:
        headers |= {"ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if holds_etag(request.headers.get("if-none-match", ""), etag):
            return Stream(_nothing(), status_code=304, media_type=media_type, headers=headers)
        if request.headers.get("if-range", f'"{etag}"') == f'"{etag}"':
            wanted = _wanted(request.headers.get("range", ""), size)
    if wanted is not None:
        first, last = wanted
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    headers["Content-Length"] = str(last - first + 1)
    return Stream(
        read(first, last - first + 1),
        status_code=200 if wanted is None else 206,
        media_type=media_type,
        headers=headers,
    )


def disposition(kind: str, filename: str) -> str:
    """The value of Content-Disposition (RFC 6266); `kind` is attachment or inline, and any name is escaped."""
    plain = "".join(each if " " <= each <= "~" and each not in '"\\%' else "_" for each in filename)
    value = f'{kind}; filename="{plain}"'
    return value if plain == filename else f"{value}; filename*=UTF-8''{quote(filename, safe='')}"


def _wanted(header: str, size: int) -> tuple[int, int] | None:
    """The first and last byte of a single range; None for the whole file."""
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
            f"The range begins after the end of the file, which has {size} bytes",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return first, last


async def _read(file: Path, start: int, length: int) -> AsyncIterator[bytes]:
    async with opened_in_thread(lambda: file.open("rb"), BufferedReader.close) as opened:
        await asyncio.to_thread(opened.seek, start)
        while length > 0 and (chunk := await asyncio.to_thread(opened.read, min(CHUNK, length))):
            length -= len(chunk)
            yield chunk


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
