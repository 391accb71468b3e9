"""Reads scanned texts; one that is no GS1 code costs next to nothing, and one that is does not hold up the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from stocky.barcodes.reading import ScannedCode, may_be_gs1, read_plain


async def read_code(text: str) -> ScannedCode:
    """What a text says. Its `problem` is set where it is a GS1 code that cannot be right."""
    return (await read_codes([text]))[0]


async def read_codes(texts: Sequence[str]) -> list[ScannedCode]:
    """What each of many texts says."""
    if any(may_be_gs1(text) for text in texts):
        # Reading a GS1 code takes as long as recording a scan, and the first one loads the tables for it.
        return await asyncio.to_thread(lambda: [_read(text) for text in texts])
    return [read_plain(text) for text in texts]


def _read(text: str) -> ScannedCode:
    if not may_be_gs1(text):
        return read_plain(text)
    from stocky.barcodes.gs1 import read_gs1

    return read_gs1(text)
