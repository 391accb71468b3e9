"""Unpacks a given file to its innermost layer: plain, or gzipped once or more often. Every layer is bounded.

The bounds hold for each layer, so that neither the innermost nor one between can grow beyond what is allowed.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

from isal import igzip, isal_zlib

from stocky.errors import BadRequest, TooLarge

# Text packs to a quarter or a tenth. Beyond the first bytes, more than this is a bomb.
LARGEST_RATIO = 200
RATIO_FROM = 64 * 2**20
# Once by Stocky, and again by a program that did not know; more layers than these are no accident.
MAX_LAYERS = 3
# Bytes that are looked at to tell what a file is, and that are unpacked at a time of a layer between.
BEGINNING = 2**16
GZIP = b"\x1f\x8b"


class Unpacked:
    """The innermost content of a file. `layers` is how often it was gzipped, `beginning` its first bytes.

    Raises BadRequest for what cannot be unpacked, TooLarge.
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
                        f"Invalid gzip file: it is packed more than {MAX_LAYERS} times over; unpack it with 'gunzip'"
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
        """How much of the file itself was read, for progress."""
        return self._file.tell()

    def read(self, size: int) -> bytes:
        """So many bytes of it, fewer only at its end."""
        return self._innermost.read(size)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _peek(self) -> bytes:
        return self._innermost.peek(BEGINNING)


class _Layer(io.RawIOBase):
    """What one layer of gzip unpacks to, never more than is allowed."""

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
            raise BadRequest("Invalid gzip file: it was cut off. Take it or download it again") from error
        except (OSError, zlib.error, isal_zlib.error) as error:  # type: ignore[misc]  # a C type
            raise BadRequest(f"Invalid gzip file: it is damaged ({error}). Take it or download it again") from error
        self._bytes += count
        if self._bytes > self._max_bytes:
            raise TooLarge(
                f"Unpacked, the backup is larger than the {self._max_bytes / 2**30:g} GB that are taken"
                " (STOCKY_MAX_RESTORE_GB)"
            )
        if self._bytes > RATIO_FROM and self._bytes > LARGEST_RATIO * self._packed_bytes:
            raise BadRequest("The backup unpacks to far more than text does; it was not made by Stocky")
        return count
