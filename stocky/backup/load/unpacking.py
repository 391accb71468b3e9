"""Unpacks a file, plain or gzipped once or several times, to its innermost layer. Every layer is bounded in size.

The bounds hold for each layer, so neither the innermost nor an intermediate one can exceed them.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

from isal import igzip, isal_zlib

from stocky.errors import BadRequest, TooLarge

# Text compresses 4 to 10 times. A larger ratio than this, beyond RATIO_FROM bytes, is a zip bomb.
LARGEST_RATIO = 200
RATIO_FROM = 64 * 2**20
# Gzipped by Stocky, and again by other programs; more layers than these are no accident.
MAX_LAYERS = 3
# Bytes read to identify a file, and the buffer size of intermediate layers.
BEGINNING = 2**16
GZIP = b"\x1f\x8b"


class Unpacked:
    """The innermost content of a file. `layers` is how often it was gzipped, `beginning` its first bytes.

    Raises BadRequest when it cannot be unpacked, TooLarge.
    """

    def __init__(self, file: Path, max_bytes: int) -> None:
        self.layers = 0
        self.packed_bytes = file.stat().st_size
        self._file = io.BufferedReader(io.FileIO(file), BEGINNING)
        self._innermost: io.BufferedReader[Any] = self._file
        try:
            self.beginning = self._peek()
            while self.beginning.startswith(GZIP):
                if self.layers == MAX_LAYERS:
                    raise BadRequest(
                        f"Invalid gzip file: it is packed more than {MAX_LAYERS} times; unpack it with 'gunzip'"
                    )
                self.layers += 1
                layer = _Layer(self._innermost, self.packed_bytes, max_bytes)
                self._innermost = io.BufferedReader(layer, BEGINNING)
                self.beginning = self._peek()
        except BaseException:
            self.close()
            raise

    @property
    def packed_bytes_read(self) -> int:
        """The number of packed bytes read, for progress."""
        return self._file.tell()

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        return self._innermost.read(size)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _peek(self) -> bytes:
        return self._innermost.peek(BEGINNING)


class _Layer(io.RawIOBase):
    """The unpacked content of one gzip layer. Raises when it exceeds the bounds."""

    def __init__(self, packed: io.BufferedReader[Any], packed_bytes: int, max_bytes: int) -> None:
        self._unpacked = igzip.GzipFile(fileobj=packed, mode="rb")  # type: ignore[no-untyped-call]  # as it comes
        self._packed_bytes = packed_bytes
        self._max_bytes = max_bytes
        self._bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what io.BufferedReader gives
        try:
            count: int = self._unpacked.readinto(buffer)
        except EOFError as error:
            raise BadRequest("Invalid gzip file: it is truncated. Create or download it again") from error
        except (OSError, zlib.error, isal_zlib.error) as error:  # type: ignore[misc]  # a C type
            raise BadRequest(f"Invalid gzip file: it is damaged ({error}). Create or download it again") from error
        self._bytes += count
        if self._bytes > self._max_bytes:
            raise TooLarge(
                f"Unpacked, the backup exceeds the limit of {self._max_bytes / 2**30:g} GB (STOCKY_MAX_RESTORE_GB)"
            )
        if self._bytes > RATIO_FROM and self._bytes > LARGEST_RATIO * self._packed_bytes:
            raise BadRequest("The backup unpacks to far more bytes than text would; it was not made by Stocky")
        return count
