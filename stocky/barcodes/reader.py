"""Reads scanned texts; a plain barcode costs almost nothing, and a code with contents does not block the event loop.

Every route reads a text here, so that it means the same by all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from stocky.barcodes.codes import ScannedCode, may_be_compound, read_plain, rejected
from stocky.barcodes.command_codes import describe_refusal
from stocky.barcodes.measures import MeasureRule, read_measure

Rules = Sequence[MeasureRule]


async def read_code(text: str, rules: Rules) -> ScannedCode:
    """Reads a text. `problem` is set if it is an invalid GS1 code, too long, or a command.

    The rules are those for variable-measure barcodes.
    """
    return (await read_codes([text], rules))[0] if may_be_compound(text) else _read_simple(text, rules)


async def read_codes(texts: Sequence[str], rules: Rules) -> list[ScannedCode]:
    """Reads several texts."""
    if any(may_be_compound(text) for text in texts):
        # Parsing a GS1 code takes as long as recording a scan, and the first one loads the parser's tables.
        return await asyncio.to_thread(lambda: [read_here(text, rules) for text in texts])
    return [_read_simple(text, rules) for text in texts]


def read_here(text: str, rules: Rules) -> ScannedCode:
    """Reads a text in this thread, for callers that are in another one than the event loop's already."""
    if not may_be_compound(text):
        return _read_simple(text, rules)
    if (refusal := describe_refusal(text)) is not None:
        return rejected(text, refusal)
    from stocky.barcodes.bags import is_without_separators, read_bag
    from stocky.barcodes.gs1 import NO_FNC1, read_gs1

    code = read_bag(text) or read_measure(read_gs1(text), rules)
    return msgspec.structs.replace(code, warning=NO_FNC1) if is_without_separators(code) else code


def _read_simple(text: str, rules: Rules) -> ScannedCode:
    if (refusal := describe_refusal(text)) is not None:
        return rejected(text, refusal)
    code = read_plain(text)
    return read_measure(code, rules) if rules else code
