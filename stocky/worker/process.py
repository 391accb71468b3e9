"""The parent's side of the worker: heavy work runs in a child process, which dies with whoever asked for it.

The request goes to the child's standard input as one JSON object, since it may hold the database's password.
Reports, the result and errors come back as JSON lines on its standard error; standard output is for data.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

import stocky
from stocky.errors import OutOfSpace, Unavailable
from stocky.progress import ProgressCallback
from stocky.worker.messages import Failure, Message, Progress, Request, encode_request

T = TypeVar("T")

# One line of the child at most; a result names every table, or a thousand moves with their reasons.
LINE_BYTES = 2**23
DATA_CHUNK = 2**16
# What is kept for the log of what a child said that is no message: a traceback.
LOGGED_LINES = 40

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_log = logging.getLogger(__name__)


async def run_worker(request: Request, result_type: type[T], report: ProgressCallback) -> T:
    """What the child's work came to. Raises the StockyError it raised; when this is cancelled the child is killed."""
    async with _child(request, data=False) as process:
        return await _result(process, result_type, report)


def _ignore_result(result: Any) -> None:
    """For those who want the pieces alone."""


async def stream_worker(
    request: Request, result_type: type[Any] = msgspec.Raw, ended: Callable[[Any], None] = _ignore_result
) -> AsyncGenerator[bytes, None]:
    """The child's standard output as it comes; it waits for a slow reader. `ended` is called with the result.

    Raises the child's StockyError where it ends, so that what is cut off is never taken for whole.
    """
    async with _child(request, data=True) as process:
        ending = asyncio.create_task(_result(process, result_type, _ignore_progress))
        assert process.stdout is not None
        try:
            while chunk := await process.stdout.read(DATA_CHUNK):
                yield chunk
            ended(await ending)
        finally:
            ending.cancel()
            await asyncio.wait([ending])


@asynccontextmanager
async def _child(request: Request, *, data: bool) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "stocky.worker",
        stdin=PIPE,
        stdout=PIPE if data else DEVNULL,
        stderr=PIPE,
        # The reader takes twice as much ahead of a slow client; results beside data are small.
        limit=DATA_CHUNK if data else LINE_BYTES,
        env=os.environ | {"PYTHONPATH": _python_path()},
    )
    try:
        assert process.stdin is not None
        # A child that has been killed already: uvloop calls its closed pipe a RuntimeError.
        with suppress(ConnectionError, RuntimeError):
            # Its end of the pipe stays open: when ours closes, whoever asked is gone.
            process.stdin.write(encode_request(request) + b"\n")
            await process.stdin.drain()
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await _until_reaped(process)


def _python_path() -> str:
    """This very Stocky first, and with -P nothing that happens to lie where the server was started."""
    return os.pathsep.join([str(Path(stocky.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])])


async def _until_reaped(process: Process) -> None:
    """Waits for the end of the child also when the caller is cancelled meanwhile: the loop may close right after."""
    reaping = asyncio.create_task(_reap(process))
    cancelled: asyncio.CancelledError | None = None
    while not reaping.done():
        try:
            await asyncio.shield(reaping)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def _reap(process: Process) -> None:
    for pipe in (process.stdout, process.stderr):
        # A pipe that nobody reads would keep the child's end from being noticed.
        while pipe is not None and await pipe.read(DATA_CHUNK):
            pass
    await process.wait()


async def _result(process: Process, result_type: type[T], report: ProgressCallback) -> T:
    assert process.stderr is not None
    output: deque[str] = deque(maxlen=LOGGED_LINES)
    while line := await _line(process.stderr):
        try:
            message = _decoder.decode(line)
        except msgspec.MsgspecError:
            output.append(line.decode("utf-8", "replace").rstrip())
            continue
        if isinstance(message, Progress):
            report(message.phase, message.done, message.total, message.unit)
        elif isinstance(message, Failure):
            raise message.error()
        else:
            return msgspec.json.decode(message.value, type=result_type)
    status = await process.wait()
    _log.error("The child process ended with %d and no result:\n%s", status, "\n".join(output))
    if status == -signal.SIGKILL or any("MemoryError" in line for line in output):
        raise OutOfSpace("Not enough memory; nothing was changed. Free some and try again")
    raise Unavailable("The child process failed; nothing was changed. The log says why", retry_after=5)


async def _line(pipe: asyncio.StreamReader) -> bytes:
    try:
        return await pipe.readline()
    except ValueError:
        return b"a line too long to be kept\n"


def _ignore_progress(phase: str, done: int, total: int | None, unit: str) -> None:
    return None
