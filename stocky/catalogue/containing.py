"""Lets lists of what contains a text use the search index; without a fragment every item is read.

The index holds words without signs, accents and case, and ASCII letters and digits as they are: text that contains a
fragment of these is indexed with it.
"""

from __future__ import annotations

import re

from stocky.db import Connection

# The index is of trigrams.
SHORTEST = 3
_FRAGMENTS = re.compile(rf"[0-9a-z]{{{SHORTEST},}}")


async def find_fragment(tx: Connection, text: str | None) -> str | None:
    """The longest part of `text` to look up in the index; None if there is none, or items lack marks of their own."""
    fragments = _FRAGMENTS.findall((text or "").lower())
    if not fragments or await tx.value("find_mark_of_all") is not None:
        return None
    longest: str = max(fragments, key=len)
    return longest
