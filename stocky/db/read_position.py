"""What a client has seen of the ledger, as a position of Postgres's write-ahead log that a read has to have reached."""

from __future__ import annotations

import re
from contextvars import ContextVar

HEADER = "X-Stocky-Position"
# The largest position is 2**63 - 1.
_WRITTEN = re.compile(rb"[0-9]{1,18}")

# The position that the client of this request sent; None where it sent none and a read has to be current.
read_position: ContextVar[int | None] = ContextVar("read_position", default=None)


def parse_position(text: bytes) -> int | None:
    """The position in a header; None for anything else, so that the read is current."""
    return int(text) if _WRITTEN.fullmatch(text) else None
