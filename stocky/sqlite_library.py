"""Sets up the SQLite library of a process, before Python's sqlite3 initializes it; after that, nothing changes."""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec

# https://www.sqlite.org/c3ref/c_config_covering_index_scan.html
_SQLITE_CONFIG_MEMSTATUS = 9


def disable_memory_statistics() -> None:
    """Turns off SQLite's memory statistics, for which it takes a lock at each allocation: a third of a dump's time.

    Python has no function for it. Stocky neither reads the statistics nor limits SQLite's heap, which needs them. Where
    the library cannot be reached they stay on.
    """
    if "_sqlite3" in sys.modules:
        return
    spec = find_spec("_sqlite3")
    try:
        # Without a file the module, and SQLite with it, are parts of the interpreter.
        library = ctypes.CDLL(spec.origin if spec is not None and spec.has_location else None)
        configure = library.sqlite3_config
    except (OSError, AttributeError):
        return
    # The number of fixed arguments: on some processors the others are passed in another way.
    configure.argtypes = [ctypes.c_int]
    configure(_SQLITE_CONFIG_MEMSTATUS, 0)
