"""A progress bar on the terminal's last line; prints nothing when standard error is not a terminal."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType

CELLS = 24


class ProgressBar:
    """A progress callback with phase, done, total and unit; cleared at the end of the block."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._is_shown = sys.stderr.isatty() and not quiet

    def __call__(self, phase: str, done: int, total: int | None, unit: str) -> None:
        if self._is_shown:
            self._show(_line(phase, done, total, unit))

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_shown:
            self._show("")

    def _show(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\x1b[K{line[:width]}")
        sys.stderr.flush()


def _line(phase: str, done: int, total: int | None, unit: str) -> str:
    if not total:
        return f"{phase} ..."
    share = min(1.0, done / total)
    filled = round(CELLS * share)
    amount = f"{done / 2**20:,.0f} of {total / 2**20:,.0f} MiB" if unit == "bytes" else f"{done:,} of {total:,} {unit}"
    return f"{phase:<16} [{'#' * filled}{'.' * (CELLS - filled)}] {share:4.0%}  {amount}"
