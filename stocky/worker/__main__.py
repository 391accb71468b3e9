"""The child process: `python -m stocky.worker` handles one request, and exits with its parent process."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from importlib import import_module
from typing import Any, get_type_hints

import msgspec

from stocky.disk import disk_errors
from stocky.errors import OutOfSpace, StockyError
from stocky.sqlite_library import disable_memory_statistics
from stocky.struct_types import inspect_structs
from stocky.worker.messages import Call, Failure, Message, Progress, Result

# Scanners have priority: with 10 the child gets about a tenth of a contended processor.
NICENESS = 10
REPORT_EVERY_SECONDS = 0.1


class Reporter:
    """Sends progress messages at a limited rate."""

    def __init__(self) -> None:
        self._last = ("", 0.0)

    def __call__(self, phase: str, done: int, total: int | None, unit: str) -> None:
        now = time.monotonic()
        if phase != self._last[0] or done == total or now - self._last[1] >= REPORT_EVERY_SECONDS:
            self._last = (phase, now)
            send(Progress(phase, done, total, unit))


def send(message: Message) -> None:
    """Sends a message to the parent as one line."""
    sys.stderr.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stderr.buffer.flush()


def main() -> int:
    """Handles one request; returns the exit status. Errors are sent to the parent."""
    os.nice(NICENESS)
    # A crash of a library is in the parent's log, with the line that called it.
    faulthandler.enable()
    disable_memory_statistics()
    # Ctrl-C reaches every process of a terminal; the parent gets it too, and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    call = msgspec.json.decode(sys.stdin.buffer.readline(), type=Call)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    try:
        with disk_errors():
            result = _run(call)
    except StockyError as error:
        send(Failure.of(error))
        return 1
    except MemoryError:
        traceback.print_exc()
        send(Failure.of(OutOfSpace("Not enough memory; nothing was changed. Free some and try again")))
        return 1
    send(Result(msgspec.Raw(msgspec.json.encode(result))))
    return 0


def _run(call: Call) -> Any:
    # Imported on demand, to keep the child small.
    module, _, name = call.entry.partition(":")
    entry = getattr(import_module(module), name)
    inspect_structs()
    request_type = next(iter(get_type_hints(entry).values()))
    return entry(msgspec.json.decode(call.request, type=request_type), Reporter())


def _exit_with_parent() -> None:
    """Exits when the parent closes its end of standard input: then no process waits for the result."""
    # Not through sys.stdin, whose lock this thread would hold at interpreter exit.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
