"""The off-site copies of one installation: copies what is outstanding, lists what is there, and fetches it back.

The metadata of each stored backup says where it has a copy; one process at a time copies the backups of a directory.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec

from stocky import clock
from stocky.backup.chains import complete, is_complete, parents_first, parents_of, with_chain_problems
from stocky.backup.offsite.policy import NOT_COPIED, OffsitePolicy, is_copied, is_described, is_due
from stocky.backup.offsite.state import DestinationState, read_states, write_states
from stocky.backup.offsite.transfer import CopyRequest, DescribeRequest, FetchRequest, ListRequest, Tidied, Transferred
from stocky.backup.service import Backups
from stocky.backup.store import OffsiteCopy, StoredBackup, own_id
from stocky.config import BlobSettings, Config
from stocky.disk import NoLocks, disk_errors, lock
from stocky.errors import BadRequest, Conflict, NotFound, OutOfSpace, StockyError, Unavailable
from stocky.progress import ProgressCallback, ignore_progress
from stocky.worker.completion import opened_in_thread
from stocky.worker.process import run_worker, stream_worker
from stocky.worker.workspace import workspace

LOCK_FILE = ".offsite-lock"
# A listing that takes longer is given up: a page or a command waits for it.
LIST_SECONDS = 60

_log = logging.getLogger(__name__)


class Listing(msgspec.Struct, frozen=True):
    """The good copies at one destination, newest first; `error` is why they cannot be listed."""

    url: str
    copies: list[StoredBackup] = []
    error: str | None = None


class Copied(msgspec.Struct):
    """The result of copying: file names by the address of the destination, and what failed, in words."""

    copied: dict[str, list[str]] = {}
    removed: int = 0
    failed: list[str] = []


class Offsite:
    """The off-site copies of the backups in one directory."""

    def __init__(self, config: Config, backups: Backups) -> None:
        self.policy = OffsitePolicy(config.offsite)
        self.states: dict[str, DestinationState] = {}
        # Why copies are missing, as of the last refresh.
        self.problems: list[str] = []
        self._config = config
        self._backups = backups
        self._directory = config.backup_dir
        self._destinations = {each.url: each for each in config.offsite.destinations}

    @property
    def is_configured(self) -> bool:
        return bool(self._destinations)

    async def refresh(self) -> list[StoredBackup]:
        """Reads the state of each destination, as the last process to reach it noted it; returns the stored backups."""
        stored = await asyncio.to_thread(read_states, self._directory)
        backups = await self._backups.list_backups()
        problems = []
        for url in self._destinations:
            found, known = stored.get(url, DestinationState()), self.states.get(url, DestinationState())
            # A state that could not be written is remembered: its pause must not be skipped.
            self.states[url] = known if known.failures > found.failures and known.must_wait else found
            problems += [self.states[url].error]
            problems += [
                each.offsite[url].error for each in self.policy.list_outstanding(backups, url) if url in each.offsite
            ]
        self.problems = list(dict.fromkeys(each for each in problems if each is not None))
        return backups

    async def has_work(self) -> bool:
        """Whether something is to be copied, described or listed now."""
        backups = await self.refresh()
        return any(
            not state.must_wait
            and (state.is_stale or bool(self._due(backups, url)) or bool(_undescribed(backups, url)))
            for url, state in self.states.items()
        )

    async def copy_outstanding(self, report: ProgressCallback) -> Copied:
        """Copies what is outstanding at each destination that need not wait, and deletes what its retention says.

        What fails is noted for the next attempt and in the result, and is not raised.
        """
        result = Copied()
        await self.refresh()
        states = self.states
        for url in self._destinations:
            if states[url].must_wait:
                continue
            try:
                states[url] = await self._serve(url, result, report)
                await asyncio.to_thread(write_states, self._directory, states)
            except (Unavailable, OutOfSpace) as error:
                states[url] = states[url].failed(error.detail)
                result.failed.append(error.detail)
                with suppress(Unavailable, OutOfSpace):
                    await asyncio.to_thread(write_states, self._directory, states)
            except Exception as error:
                # A defect, too, must not be repeated at once; the job reports it.
                states[url] = states[url].failed(f"{type(error).__name__}; see the log")
                raise
        await self.refresh()
        return result

    def marks(self, backup: StoredBackup, stored: list[StoredBackup]) -> dict[str, OffsiteCopy]:
        """The copies of a backup by destination, and those still to be made, with the error of the last attempt.

        `stored` are all stored backups, newest first.
        """
        marks = {url: copy for url, copy in backup.offsite.items() if copy.copied_at is not None}
        for url in self._destinations:
            if url not in marks and any(each.id == backup.id for each in self.policy.list_outstanding(stored, url)):
                copy = backup.offsite.get(url, OffsiteCopy())
                state = self.states.get(url, DestinationState())
                marks[url] = msgspec.structs.replace(copy, error=copy.error or state.error)
        return marks

    async def list_destinations(self) -> list[Listing]:
        """The good copies at each destination, read from there; one of an incomplete chain has that as a problem."""
        listings = await asyncio.gather(*(self._list(each) for each in self._destinations.values()))
        return [msgspec.structs.replace(each, copies=with_chain_problems(each.copies)) for each in listings]

    async def fetch(self, filename: str, url: str | None, report: ProgressCallback) -> StoredBackup:
        """Adds a copy, of any destination or of this one, to the stored backups; it expires after a day.

        A backup that is stored here already, undamaged, is returned instead, and stays as long as that. The parents of
        an increment are fetched, too.

        Raises NotFound, BadRequest for a damaged copy, Unavailable or OutOfSpace.
        """
        destination, copy, parents = await self.find(filename, url)
        for parent in reversed(parents):
            await self._fetch(destination, parent, report)
        return await self._fetch(destination, copy, report)

    async def _fetch(self, destination: BlobSettings, copy: StoredBackup, report: ProgressCallback) -> StoredBackup:
        for stored in await self._backups.list_backups():
            if stored.sha256 != copy.sha256 or stored.problems:
                continue
            # It may be deleted meanwhile.
            with suppress(NotFound):
                if await asyncio.to_thread(self._backups.store.is_as_made, stored):
                    return await self._backups.keep_for_a_day(stored.id)
        async with workspace(self._directory) as directory:
            output = directory / "fetched"
            await fetch_file(destination, copy.filename, output, copy.sha256, report)
            fetched = await asyncio.to_thread(self._backups.store.add_fetched, output, copy)
        _log.info("Fetched %s from %s", fetched.filename, destination.url)
        return fetched

    async def find(
        self, filename: str, url: str | None = None
    ) -> tuple[BlobSettings, StoredBackup, list[StoredBackup]]:
        """The copy under this name, its destination, and there the parents of an increment, its own parent first.

        Of several destinations the first that has all of these. Raises NotFound, Unavailable when a destination is.
        """
        self.check_known(filename, url)
        incomplete = []
        unreachable = []
        for destination in self._destinations.values():
            if url not in (None, destination.url):
                continue
            listed = await self._list(destination)
            if listed.error is not None:
                unreachable.append(listed.error)
            for copy in listed.copies:
                if copy.filename == filename:
                    found = destination, copy, parents_of(copy, listed.copies)
                    if is_complete(copy, listed.copies):
                        return found
                    incomplete.append(found)
        if incomplete:
            return incomplete[0]
        if unreachable:
            raise Unavailable("; ".join(unreachable), retry_after=60)
        raise NotFound(f"There is no off-site copy of {filename}; GET /api/v1/system/offsite lists all")

    def check_known(self, filename: str, url: str | None) -> None:
        """Raises NotFound for a name that no copy has, or an address that is not configured."""
        if not self._destinations:
            raise NotFound("No off-site destination is configured; set STOCKY_OFFSITE_URL")
        if url is not None and url not in self._destinations:
            raise NotFound(f"There is no off-site destination {url!r}; there is {', '.join(self._destinations)}")
        if own_id(filename) is None:
            raise NotFound(f"There is no off-site copy of {filename!r}; GET /api/v1/system/offsite lists all")

    async def _serve(self, url: str, result: Copied, report: ProgressCallback) -> DestinationState:
        """Copies, describes and tidies at one destination; returns its state. Raises Unavailable, OutOfSpace."""
        destination = self._destinations[url]
        for backup in self._due(await self._backups.list_backups(), url):
            await self._copy(destination, backup, result, report)
        for backup in _undescribed(await self._backups.list_backups(), url):
            await self._describe(destination, backup)
        request = ListRequest(destination=destination, keep=self._config.offsite.keep)
        copies, removed = await _list_copies(request, report)
        result.removed += removed
        for backup in self.policy.list_vanished(await self._backups.list_backups(), copies, url):
            _log.warning("%s is no longer in %s, and is copied again", backup.filename, url)
            await self._note(backup, url, OffsiteCopy())
        whole = complete(copies)
        good = [each.created_at for each in with_chain_problems(copies) if each.is_good]
        return DestinationState(
            listed_at=clock.now(),
            copies=len(copies),
            size_bytes=sum(each.size_bytes for each in copies),
            newest=whole[0].created_at if whole else None,
            newest_good=good[0] if good else None,
        )

    async def _copy(
        self, destination: BlobSettings, backup: StoredBackup, result: Copied, report: ProgressCallback
    ) -> None:
        try:
            # As it is stored: that a parent is missing here says nothing of the copies.
            backup = await self._backups.get_backup(backup.id)
            file = str(self._backups.store.path(backup))
            await run_worker(CopyRequest(destination=destination, file=file, backup=backup), Transferred, report)
        except NotFound as error:
            # A user deleted it meanwhile.
            _log.warning("%s", error.detail)
        except (BadRequest, Conflict) as error:
            result.failed.append(error.detail)
            await self._note(backup, destination.url, OffsiteCopy(tried_at=clock.now(), error=error.detail))
        else:
            # It may have been test-restored again since it was read.
            copy = OffsiteCopy(copied_at=clock.now(), tested_at=backup.verified_at)
            await self._note(backup, destination.url, copy)
            result.copied.setdefault(destination.url, []).append(backup.filename)
            _log.info("Copied %s to %s, and compared the copy", backup.filename, destination.url)

    async def _describe(self, destination: BlobSettings, backup: StoredBackup) -> None:
        try:
            backup = await self._backups.get_backup(backup.id)
            file = str(self._backups.store.path(backup))
            request = DescribeRequest(destination=destination, file=file, backup=backup)
            await run_worker(request, msgspec.Raw, ignore_progress)
        except NotFound as error:
            _log.info("%s", error.detail)
        except BadRequest as error:
            _log.warning("%s", error.detail)
        copy = msgspec.structs.replace(backup.offsite[destination.url], tested_at=backup.verified_at)
        await self._note(backup, destination.url, copy)

    async def _note(self, backup: StoredBackup, url: str, copy: OffsiteCopy) -> None:
        def noted(current: StoredBackup) -> StoredBackup:
            return msgspec.structs.replace(current, offsite={**current.offsite, url: copy})

        try:
            await asyncio.to_thread(self._backups.store.change_metadata, backup.id, noted)
        except NotFound:
            _log.info("%s was deleted while it was copied to %s", backup.filename, url)

    async def _list(self, destination: BlobSettings) -> Listing:
        """The copies as their metadata says: what a chain lacks there says nothing of a copy that is fetched."""
        try:
            async with asyncio.timeout(LIST_SECONDS):
                copies, _ = await _list_copies(ListRequest(destination=destination), ignore_progress)
        except TimeoutError:
            return Listing(destination.url, error=f"{destination.url} did not answer within {LIST_SECONDS} seconds")
        except StockyError as error:
            return Listing(destination.url, error=error.detail)
        return Listing(destination.url, copies)

    def _due(self, backups: list[StoredBackup], url: str) -> list[StoredBackup]:
        """What is to be copied now, an increment after what it continues: without that it is of no use there."""
        due = [each for each in self.policy.list_outstanding(backups, url) if is_due(each, url)]
        return parents_first(due, backups)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[bool]:
        """Whether this process may copy, until the end of the block: no other one on this directory does."""
        async with opened_in_thread(partial(_try_lock, self._directory / LOCK_FILE), _unlock) as descriptor:
            yield descriptor is not None


async def _list_copies(request: ListRequest, report: ProgressCallback) -> tuple[list[StoredBackup], int]:
    """The good copies, newest first, and how many were deleted before. Raises Unavailable."""
    removed = []

    def ended(tidied: Tidied) -> None:
        removed.append(tidied.removed)

    content = bytearray()
    async with aclosing(stream_worker(request, Tidied, ended, report)) as pieces:
        async for piece in pieces:
            content += piece
    return await asyncio.to_thread(msgspec.json.decode, content, type=list[StoredBackup]), sum(removed)


async def fetch_file(
    destination: BlobSettings, name: str, output: Path, sha256: str | None, report: ProgressCallback
) -> Transferred:
    """Writes a file of the destination to `output`; with `sha256`, only if it has that one.

    Raises NotFound, BadRequest for a damaged one, Unavailable or OutOfSpace.
    """
    request = FetchRequest(destination=destination, name=name, output=str(output), sha256=sha256)
    return await run_worker(request, Transferred, report)


def _undescribed(backups: list[StoredBackup], url: str) -> list[StoredBackup]:
    return [
        each
        for each in backups
        if each.reason not in NOT_COPIED and is_copied(each, url) and not is_described(each, url)
    ]


def _try_lock(file: Path) -> int | None:
    """The descriptor of the locked file; None where another process has the lock."""
    with disk_errors():
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            lock(descriptor, wait=False)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except NoLocks:
            # Two processes may copy a backup twice, which costs time only.
            return descriptor
        return descriptor


def _unlock(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
