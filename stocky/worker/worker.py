"""The child process: `python -m stocky.worker.worker` does one heavy thing, and ends with whoever asked."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from importlib import import_module
from typing import Any

import msgspec

from stocky.errors import OutOfSpace, StockyError
from stocky.worker.requests import (
    AnyRequest,
    ArchiveRequest,
    CallRequest,
    CompareRequest,
    DumpRequest,
    Failure,
    FillRequest,
    Message,
    PictureRequest,
    Progress,
    Result,
)
from stocky.worker.workspace import disk_errors

# Scanners come first: with 10 the child gets about a tenth of a processor that both want.
NICENESS = 10
REPORT_EVERY_SECONDS = 0.1


class Reporter:
    """Says how far the work is, not more often than anyone wants to know."""

    def __init__(self) -> None:
        self._last = ("", 0.0)

    def __call__(self, phase: str, done: int, total: int | None, unit: str) -> None:
        now = time.monotonic()
        if phase != self._last[0] or done == total or now - self._last[1] >= REPORT_EVERY_SECONDS:
            self._last = (phase, now)
            say(Progress(phase, done, total, unit))


def say(message: Message) -> None:
    """One line to whoever asked."""
    sys.stderr.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stderr.buffer.flush()


def main() -> int:
    """The exit status; what went wrong has been said."""
    os.nice(NICENESS)
    # Ctrl-C reaches every process of a terminal; whoever asked is told as well, and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=AnyRequest)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with disk_errors():
            result = _do(request)
    except StockyError as error:
        say(Failure.of(error))
        return 1
    except MemoryError:
        traceback.print_exc()
        say(Failure.of(OutOfSpace("Not enough memory; nothing was changed. Free some and try again")))
        return 1
    say(Result(msgspec.Raw(msgspec.json.encode(result))))
    return 0


def _do(request: AnyRequest) -> Any:
    # Imported only when it is needed: a child is to be small.
    if isinstance(request, ArchiveRequest):
        from stocky.backup.archive.writing import write_archive

        return write_archive(request, Reporter())
    if isinstance(request, DumpRequest):
        from stocky.backup.dump.making import dump

        return dump(request, Reporter())
    if isinstance(request, FillRequest):
        from stocky.backup.swap.postgres_fill import fill

        return fill(request, Reporter())
    if isinstance(request, CompareRequest):
        from stocky.backup.comparing import compare

        return compare(request, Reporter())
    if isinstance(request, PictureRequest):
        from stocky.documents import pictures

        pictures.bound_process()
        return pictures.make_thumbnail(request)
    if isinstance(request, CallRequest):
        module, _, name = request.entry.partition(":")
        return getattr(import_module(module), name)(request.argument, Reporter())
    from stocky.backup.load.loading import load, set_up_process

    set_up_process(request)
    return load(request, Reporter())


def _end_with_parent() -> None:
    """Whoever asked holds the other end of standard input; when it closes, nobody waits for the result."""
    # Not through sys.stdin, which this thread would hold on to when the interpreter ends.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
