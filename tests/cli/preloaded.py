"""Runs `stocky` commands in processes forked from one that has imported Stocky, which saves half of a short command.

Each command has its own settings, directory, standard streams and exit status, as `python -m stocky` has them.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

START_SECONDS = 60
ROOT = Path(__file__).resolve().parent.parent.parent
# What commands import when they run, beside the modules of the command line. No driver of Postgres: some commands must
# work without one.
MODULES = (
    "stocky.backup.copy",
    "stocky.backup.migrating",
    "stocky.backup.restore",
    "stocky.backup.service",
    "stocky.db.migrate",
    "stocky.db.sqlite",
    "stocky.documents.consistency",
    "stocky.logs.setup",
    "stocky.search.consistency",
    "stocky.stock.consistency",
)


def run(arguments: Sequence[str], environ: dict[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end. Raises TimeoutError."""
    with socket.socket(socket.AF_UNIX) as connection, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        connection.settimeout(timeout)
        connection.connect(_address())
        request = json.dumps([arguments, environ, os.getcwd()]).encode()
        socket.send_fds(connection, [len(request).to_bytes(4, "big")], [out.fileno(), err.fileno()])
        connection.sendall(request)
        status = int.from_bytes(connection.recv(4), "big", signed=True)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, status, out.read().decode(), err.read().decode())


@cache
def _address() -> str:
    """The socket of this process's server, which starts with the first command and ends with the tests."""
    directory = tempfile.TemporaryDirectory(prefix="stocky-commands-")
    address = str(Path(directory.name, "socket"))
    process = subprocess.Popen([sys.executable, "-m", "tests.cli.preloaded", address], cwd=ROOT)

    def stop() -> None:
        process.kill()
        process.wait()
        directory.cleanup()

    atexit.register(stop)
    deadline = time.monotonic() + START_SECONDS
    while not Path(address).exists():
        assert process.poll() is None, "the server of commands ended"
        assert time.monotonic() < deadline, "the server of commands does not start"
        time.sleep(0.01)
    return address


def _serve(address: str) -> int:
    """Forks two processes for each command; returns in both: the command, and the one that reports its exit status."""
    from stocky.cli import main
    from stocky.sqlite_library import disable_memory_statistics

    disable_memory_statistics()
    for name in MODULES:
        importlib.import_module(name)
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{address}.new")
        listening.listen(64)
        listening.settimeout(1)
        # The name says that it listens.
        os.rename(f"{address}.new", address)
        while os.getppid() == parent:
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            with suppress(TimeoutError):
                connection, _ = listening.accept()
                with connection:
                    if os.fork():
                        continue
                    arguments, environ, directory, streams = _read_request(connection)
                    command = os.fork()
                    if command:
                        _, status = os.waitpid(command, 0)
                        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
                        return 0
                _become(environ, directory, streams)
                return main(arguments)
    return 0


def _read_request(connection: socket.socket) -> tuple[list[str], dict[str, str], str, list[int]]:
    length, streams, _, _ = socket.recv_fds(connection, 4, 2)
    with connection.makefile("rb") as file:
        arguments, environ, directory = json.loads(file.read(int.from_bytes(length, "big")))
    return arguments, environ, directory, streams


def _become(environ: dict[str, str], directory: str, streams: list[int]) -> None:
    """Takes on what a process gets from the one that starts it."""
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(directory)
    for stream, wanted in zip([os.open(os.devnull, os.O_RDONLY), *streams], range(3), strict=True):
        os.dup2(stream, wanted)
        os.close(stream)


if __name__ == "__main__":
    sys.exit(_serve(sys.argv[1]))
