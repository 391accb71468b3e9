"""Reads scanned texts; a plain barcode costs almost nothing, and a GS1 code does not block the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from stocky.barcodes.codes import ScannedCode, may_be_gs1, read_plain


async def read_code(text: str) -> ScannedCode:
    """Reads a text. `problem` is set if it is an invalid GS1 code."""
    return (await read_codes([text]))[0]


async def read_codes(texts: Sequence[str]) -> list[ScannedCode]:
    """Reads several texts."""
    if any(may_be_gs1(text) for text in texts):
        # Parsing a GS1 code takes as long as recording a scan, and the first one loads the parser's tables.
        return await asyncio.to_thread(lambda: [_read(text) for text in texts])
    return [read_plain(text) for text in texts]


def _read(text: str) -> ScannedCode:
    if not may_be_gs1(text):
        return read_plain(text)
    from stocky.barcodes.gs1 import read_gs1

    return read_gs1(text)
