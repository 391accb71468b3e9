"""The parent's side of the worker: runs heavy work in a child process that never outlives the caller.

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
from stocky.progress import ProgressCallback, ignore_progress
from stocky.worker.completion import complete
from stocky.worker.messages import Failure, Message, Progress, Request, encode_request

T = TypeVar("T")

# The longest line from the child; a result lists every table, or a thousand moves with reasons.
LINE_BYTES = 2**23
DATA_CHUNK = 2**16
# Lines of the child's other output, such as a traceback, that are logged.
LOGGED_LINES = 40

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_log = logging.getLogger(__name__)


async def run_worker(request: Request, result_type: type[T], report: ProgressCallback) -> T:
    """The child's result. Raises the StockyError it raised; cancelling this kills the child."""
    async with _child(request, data=False) as process:
        return await _result(process, result_type, report)


def _ignore_result(result: Any) -> None:
    """The default `ended` callback: does nothing."""


async def stream_worker(
    request: Request,
    result_type: type[Any] = msgspec.Raw,
    ended: Callable[[Any], None] = _ignore_result,
    report: ProgressCallback = ignore_progress,
) -> AsyncGenerator[bytes, None]:
    """Streams the child's standard output; the child waits for a slow reader. `ended` is called with the result.

    Raises the child's StockyError at the end, so a truncated output is never taken for complete.
    """
    async with _child(request, data=True) as process:
        ending = asyncio.create_task(_result(process, result_type, report))
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
        # The reader buffers twice this for a slow client; results beside data are small.
        limit=DATA_CHUNK if data else LINE_BYTES,
        env=os.environ | {"PYTHONPATH": _python_path()},
    )
    try:
        assert process.stdin is not None
        # The child was already killed: uvloop raises RuntimeError for its closed pipe.
        with suppress(ConnectionError, RuntimeError):
            # The pipe stays open: the child exits when our end closes.
            process.stdin.write(encode_request(request) + b"\n")
            await process.stdin.drain()
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await complete(_reap(process))


def _python_path() -> str:
    """The import path with this Stocky first; -P excludes the server's working directory."""
    return os.pathsep.join([str(Path(stocky.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])])


async def _reap(process: Process) -> None:
    for pipe in (process.stdout, process.stderr):
        # An unread pipe would hide the child's exit.
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
    raise Unavailable("The child process failed; nothing was changed. See the log", retry_after=5)


async def _line(pipe: asyncio.StreamReader) -> bytes:
    try:
        return await pipe.readline()
    except ValueError:
        return b"(line too long)\n"
