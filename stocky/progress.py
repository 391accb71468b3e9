"""The callback by which long-running work reports its progress."""

from collections.abc import Callable

# Called with the name of the phase, units done, total units (None when unknown), and the name of the unit.
ProgressCallback = Callable[[str, int, int | None, str], None]


def ignore_progress(phase: str, done: int, total: int | None, unit: str) -> None:
    """The callback of work whose progress nobody follows."""
