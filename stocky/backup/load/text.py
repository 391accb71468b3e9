"""Decodes the text of a dump as it was written, reverting only changes that editors and browsers make to a file.

Reverted are a byte order mark and CR LF line ends. The footer's checksum is of the text as it was written.
"""

from __future__ import annotations

import codecs

from stocky.backup.dump.format import TITLE
from stocky.backup.load.file_kind import describe_dump, describe_other, is_sql
from stocky.backup.load.unpacking import Unpacked
from stocky.errors import BadRequest

_BOM = "\ufeff"


class DumpText:
    """The text of an unpacked file. Raises BadRequest when it is not SQL text."""

    def __init__(self, source: Unpacked) -> None:
        self._source = source
        # Whether an editor changed every line end: Stocky's own text has no CR LF outside values.
        self.has_crlf = False
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._waiting = ""
        self._is_at_beginning = True
        self._is_at_end = False
        if source.beginning and not is_sql(source.beginning) and (refusal := _refusal(source)):
            raise refusal

    @property
    def packed_bytes(self) -> int:
        """The size of the file, for progress."""
        return self._source.packed_bytes

    @property
    def packed_bytes_read(self) -> int:
        """The number of bytes read from the file."""
        return self._source.packed_bytes_read

    def read(self, size: int) -> str:
        """The text of about `size` more bytes; empty at the end."""
        text = ""
        while not text and not self._is_at_end:
            unpacked = self._source.read(size)
            self._is_at_end = not unpacked
            try:
                text = self._decoder.decode(unpacked, final=self._is_at_end)
            except UnicodeDecodeError as error:
                raise BadRequest(
                    "The backup is not SQL text: it is not in UTF-8. If an editor saved it in another encoding, save it"
                    " as UTF-8"
                ) from error
            if "\0" in text:
                raise BadRequest("The backup is not SQL text: it contains NUL characters")
            text = self._as_written(text)
        return text

    def _as_written(self, text: str) -> str:
        if self._is_at_beginning and text:
            self._is_at_beginning = False
            text = text.removeprefix(_BOM)
            self.has_crlf = text.startswith(f"{TITLE}\r\n")
        if not self.has_crlf:
            return text
        text = self._waiting + text
        self._waiting = ""
        if text.endswith("\r") and not self._is_at_end:
            # The LF may follow.
            text, self._waiting = text[:-1], "\r"
        return text.replace("\r\n", "\n")


def _refusal(source: Unpacked) -> BadRequest | None:
    """The error for a file that does not start as SQL text; None when parsing its first statement explains more."""
    if description := describe_dump(source.beginning, source.layers):
        return BadRequest(f"This is not a Stocky backup. {description}")
    description = describe_other(source.beginning)
    if source.layers:
        return BadRequest(f"The backup is not SQL text: {description}") if description else None
    return BadRequest(f"Invalid gzip file: {description or 'it is neither gzip nor SQL text of a backup'}")
