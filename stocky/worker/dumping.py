"""Dumps as the service asks for them: made by a worker, whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import msgspec

from stocky.backup.dump.writing import Report
from stocky.config import Config
from stocky.settings.schemas import Settings
from stocky.worker.process import run_worker, stream_worker
from stocky.worker.requests import ArchiveRequest, DumpRequest, DumpResult
from stocky.worker.workspace import workspace


async def dump_to_file(config: Config, file: Path, report: Report) -> DumpResult:
    """Writes the database as it is at this moment to `file`, compressed, and to the disk.

    Raises OutOfSpace or Unavailable; there is no file then.
    """
    async with workspace(config.backup_dir) as place:
        request = DumpRequest(database_url=config.session_url, scratch=str(place), output=str(file))
        try:
            return await run_worker(request, DumpResult, report)
        except BaseException:
            await asyncio.to_thread(file.unlink, missing_ok=True)
            raise


async def archive_to_file(config: Config, file: Path, settings: Settings, report: Report) -> DumpResult:
    """The same as an archive, with settings and documents. The result's size and checksum are the archive's."""
    async with workspace(config.backup_dir) as place:
        request = ArchiveRequest(
            database_url=config.session_url,
            scratch=str(place),
            output=str(file),
            settings=msgspec.to_builtins(settings),
            blobs=config.blobs,
        )
        try:
            return await run_worker(request, DumpResult, report)
        except BaseException:
            await asyncio.to_thread(file.unlink, missing_ok=True)
            raise


def _ignore(made: DumpResult) -> None:
    """For those who want the pieces alone."""


async def stream_dump(config: Config, ended: Callable[[DumpResult], None] = _ignore) -> AsyncIterator[bytes]:
    """The same, piece by piece while it is made, as fast as it is taken; nothing is left when nobody takes it.

    `ended` is called after the last piece.

    Raises OutOfSpace or Unavailable before the first piece. What is raised later is a stream that breaks off,
    and what came before is no dump.
    """
    pieces = _pieces(config, ended)
    # Waited for here, so that what is refused at once is told before an answer has begun.
    first = await anext(pieces)

    async def whole() -> AsyncIterator[bytes]:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return whole()


async def _pieces(config: Config, ended: Callable[[DumpResult], None]) -> AsyncGenerator[bytes, None]:
    async with workspace(config.backup_dir) as place:
        request = DumpRequest(database_url=config.session_url, scratch=str(place))
        async with aclosing(stream_worker(request, DumpResult, ended)) as pieces:
            async for piece in pieces:
                yield piece
