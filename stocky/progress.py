"""How long-running work reports progress to whatever waits for it."""

from collections.abc import Callable

# Called with the name of the phase, units done, units in all (None when unknown), and the name of the unit.
ProgressCallback = Callable[[str, int, int | None, str], None]
