"""The `stocky` command; exit status 0 is success, 1 a failure with a one-line message, 2 wrong usage."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import FrameType

from stocky import __version__
from stocky.cli import accounts, backup, check, copy, demo, migrate, offsite, reindex, restore, serve, verify
from stocky.sqlite_library import disable_memory_statistics

_DESCRIPTION = """\
Stocky is a self-hosted inventory service whose scans are never lost and never counted twice.
Settings are environment variables (STOCKY_DATA_DIR, STOCKY_DATABASE_URL, ...); the README has the table.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status. Raises SystemExit(2) for wrong usage, as argparse does."""
    disable_memory_statistics()
    parsed = _parser().parse_args(arguments)
    try:
        # The server has handlers of its own.
        with nullcontext() if parsed.run is serve.run else _clean_up_on_signals():
            status: int = parsed.run(parsed)
            sys.stdout.flush()
            return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has exited; Python would report that once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        lines = _message_lines(error)
        if lines is None:
            raise
        for line in lines:
            print(f"stocky: {line}", file=sys.stderr)
        return 1


@contextmanager
def _clean_up_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP interrupt the block as Ctrl+C does, so that a command removes its scratch files, and exit."""
    # An ignored one stays ignored, as under nohup.
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    is_interrupt_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for each in numbers:
            # Sent again, for example to the whole group, it must not end the clean-up.
            signal.signal(each, _ignore_signal)
        # While asyncio runs this is its own handler, which cancels only the main task and lets clean-ups finish.
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    if is_interrupt_ignored:
        # As in a background job of a script. asyncio has a handler only where Ctrl+C is not ignored: blocked, it is so.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        if received:
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        if is_interrupt_ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _ignore_signal(number: int, frame: FrameType | None) -> None:
    """Unlike SIG_IGN, not inherited by child processes."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stocky",
        description=_DESCRIPTION,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=28, width=110),
    )
    parser.add_argument("--version", action="version", version=f"stocky {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (serve, migrate, accounts, demo, backup, offsite, verify, restore, copy, check, reindex):
        command.register(subparsers)
    return parser


def _message_lines(error: Exception) -> list[str] | None:
    """The lines for an expected failure; None for a defect, which shows its traceback."""
    # Imported here: most commands succeed, and '--help' should not load a database driver.
    from stocky.config import ConfigError, address_setting
    from stocky.db import NO_DRIVER
    from stocky.db.migrate import SchemaNotCurrent
    from stocky.db.sqlstates import error_of_state
    from stocky.db.unreachable import Unreachable
    from stocky.errors import StockyError

    if isinstance(error, ConfigError):
        return error.problems
    if isinstance(error, Unreachable):
        return [error.described(address_setting(error.address))]
    if isinstance(error, StockyError):
        return [error.detail]
    if meaning := error_of_state(getattr(error, "sqlstate", None)):
        return [meaning.detail]
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return [f"{error.filename}: {error.strerror}"]
    if isinstance(error, ModuleNotFoundError) and error.name in ("asyncpg", "psycopg"):
        return [NO_DRIVER]
    if isinstance(error, (SchemaNotCurrent, OSError)):
        return [str(error)]
    return None
