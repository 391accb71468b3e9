"""What is wrong with the settings of scanners: each process reports it once for each scanner."""

from __future__ import annotations

# Above it all are forgotten, and reported again.
_MOST_SCANNERS = 1_000


class ScannerHints:
    """Remembers which hints were reported to which scanners."""

    def __init__(self) -> None:
        self._reported: set[tuple[str, str]] = set()

    def first_time(self, scanner: str, hint: str) -> bool:
        """Whether this hint was not reported to this scanner yet; from now on it was."""
        key = (scanner, hint)
        if key in self._reported:
            return False
        if len(self._reported) >= _MOST_SCANNERS:
            self._reported.clear()
        self._reported.add(key)
        return True
