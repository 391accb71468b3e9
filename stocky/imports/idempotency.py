"""By what the stock of a row is known when it comes again: as a row of the import that it was first sent with."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from stocky.db import Connection
from stocky.errors import Invalid
from stocky.imports import repository
from stocky.imports.row_parser import Line, Origin
from stocky.imports.unbooked_rows import UnbookedRows
from stocky.stock.fingerprints import fingerprint

# Of so many imports one file may hold refused rows.
MAX_ORIGINS = 100


class ImportName(msgspec.Struct, frozen=True):
    """By what the stock events of an import are known: its key, and what tells its content from another's.

    `earlier` are the imports that have this name too and still stand, as the rows that they left.
    """

    key: str
    content: str
    import_id: str
    earlier: tuple[UnbookedRows, ...]

    def was_taken(self, number: int) -> bool:
        """Whether an earlier import took the stock of this row, also where it found it counted right already."""
        return any(number not in left for left in self.earlier)

    def event_id(self, number: int, time: int) -> str:
        """Of the row `number`, which is booked for the `time`th time."""
        return f"csv:{self.key}:{number}" if time == 1 else f"csv:{self.key}:{number}~{time}"

    def fingerprint(self, number: int) -> str:
        """What tells the event of this row from that of another file under the same key."""
        return fingerprint((self.key, self.content, number))


class ImportKeys:
    """The name of a file, and those of the imports that refused rows of it when they were sent before."""

    def __init__(self, own: ImportName) -> None:
        self.own = own
        self._known = {(own.key, own.content): own}

    async def look_up(self, read: Connection, lines: Iterable[Line]) -> None:
        """Learns the names of the imports that these rows come from. Raises Invalid for too many of them."""
        for origin in {line.origin for line in lines if line.origin is not None}:
            name = (origin.key, origin.content)
            if name not in self._known:
                if len(self._known) > MAX_ORIGINS:
                    raise Invalid(f"The rows were refused by more than {MAX_ORIGINS} imports; import them in parts")
                earlier = await repository.list_earlier_imports(read, *name)
                self._known[name] = ImportName(*name, self.own.import_id, earlier)

    def of(self, line: Line) -> tuple[ImportName, int]:
        """The name that the stock of the row is booked under, and its number there. The row has been looked up."""
        if line.origin is None:
            return self.own, line.number
        return self._known[line.origin.key, line.origin.content], line.origin.number

    def origin(self, line: Line) -> Origin:
        """As what the row comes again when it was refused."""
        return line.origin or Origin(self.own.key, self.own.content, line.number)
