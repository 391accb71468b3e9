"""Identifies a row's stock event by the import that first sent the row, so that it is never booked twice."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from stocky.db import Connection
from stocky.errors import Invalid
from stocky.imports import repository
from stocky.imports.row_parser import Line, Origin
from stocky.imports.unbooked_rows import UnbookedRows
from stocky.stock.fingerprints import fingerprint

# A file may hold refused rows of at most this many imports.
MAX_ORIGINS = 100


class ImportName(msgspec.Struct, frozen=True):
    """Identifies the stock events of an import: its key, and a fingerprint of its content.

    `earlier` are the previous imports of this name that were not undone, as the rows they did not book.
    """

    key: str
    content: str
    import_id: str
    earlier: tuple[UnbookedRows, ...]

    def was_taken(self, number: int) -> bool:
        """Whether an earlier import booked the stock of this row, or found it equal already."""
        return any(number not in left for left in self.earlier)

    def event_id(self, number: int, time: int) -> str:
        """The event id of row `number`, booked for the `time`th time."""
        return f"csv:{self.key}:{number}" if time == 1 else f"csv:{self.key}:{number}~{time}"

    def fingerprint(self, number: int) -> str:
        """Distinguishes this row's event from that of another file under the same key."""
        return fingerprint((self.key, self.content, number))


class ImportKeys:
    """The name of a file, and the names of earlier imports that refused rows of it."""

    def __init__(self, own: ImportName) -> None:
        self.own = own
        self._known = {(own.key, own.content): own}

    async def look_up(self, read: Connection, lines: Iterable[Line]) -> None:
        """Reads the names of the imports that these rows come from. Raises Invalid for too many of them."""
        for origin in {line.origin for line in lines if line.origin is not None}:
            name = (origin.key, origin.content)
            if name not in self._known:
                if len(self._known) > MAX_ORIGINS:
                    raise Invalid(f"The rows come from more than {MAX_ORIGINS} imports; import them in parts")
                earlier = await repository.list_earlier_imports(read, *name)
                self._known[name] = ImportName(*name, self.own.import_id, earlier)

    def of(self, line: Line) -> tuple[ImportName, int]:
        """The import name that the row's stock is booked under, and its number there. Call look_up first."""
        if line.origin is None:
            return self.own, line.number
        return self._known[line.origin.key, line.origin.content], line.origin.number

    def origin(self, line: Line) -> Origin:
        """The origin that identifies the row when it is sent again after it was refused."""
        return line.origin or Origin(self.own.key, self.own.content, line.number)
