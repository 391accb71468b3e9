"""Assistance of one process: jobs that ask the model about an item or fetch a datasheet, and decisions of people.

Without a key nothing is sent anywhere. The model only ever adds suggestions; an item changes when a person accepts one.
"""

from __future__ import annotations

import asyncio
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stocky import clock
from stocky.assistance import repository
from stocky.assistance.answers import check_answer, read_answer
from stocky.assistance.datasheets import DatasheetClient
from stocky.assistance.model_client import ModelClient, Question, exhausted
from stocky.assistance.prompts import INSTRUCTIONS, MOST_LISTED, SCHEMA, describe_item
from stocky.assistance.repository import DatasheetOrder
from stocky.assistance.schemas import (
    AssistanceState,
    Fetched,
    Suggested,
    Suggestion,
    SuggestionKind,
)
from stocky.assistance.settings import AssistanceSettings
from stocky.auth.repository import get_user
from stocky.auth.schemas import Principal, Role
from stocky.catalogue.repository import get_item, get_usable_item, lock_items
from stocky.catalogue.schemas import Item
from stocky.config import Config
from stocky.db import Connection, Database, Lane
from stocky.documents.repository import add_file, get_document, list_documents
from stocky.documents.schemas import Document, DocumentKind
from stocky.documents.service import Documents
from stocky.errors import Conflict, Forbidden
from stocky.jobs.jobs import Jobs
from stocky.jobs.repository import NewJob, add_job, get_job
from stocky.jobs.schemas import Job
from stocky.progress import ProgressCallback
from stocky.worker.workspace import workspace

SUGGEST, FETCH = "assistance.suggest", "assistance.fetch"
# The manufacturer's code is readable, and the photo stays small.
PHOTO_SIDE = 1_024
LONGEST_NAME = 200
OFF = "Assistance is off: set STOCKY_AI_API_KEY and STOCKY_AI_MODEL, and restart Stocky"
NEEDS_OPENAI = (
    "Assistance is off although STOCKY_AI_API_KEY is set: it needs openai 3, which is not installed; run"
    " 'pip install --upgrade openai'"
)

_log = logging.getLogger(__name__)


class Assistance:
    """Suggestions, and the jobs that make them and fetch datasheets."""

    def __init__(self, config: Config, database: Database, jobs: Jobs, documents: Documents) -> None:
        self.settings: AssistanceSettings | None = config.assistance
        self._scratch = config.backup_dir
        self._database = database
        self._jobs = jobs
        self._documents = documents
        self._model = None if config.assistance is None else ModelClient(config.assistance, database)
        self._to_private = config.webhooks_to_private
        self._datasheets = DatasheetClient(to_private=config.webhooks_to_private)
        # Earlier versions of openai use another HTTP client.
        self._is_installed = all(find_spec(name) is not None for name in ("openai", "httpx2"))
        # One of each kind at a time, of all processes: other jobs never wait for many of them.
        jobs.register(SUGGEST, self._suggest)
        jobs.register(FETCH, self._fetch)

    def start(self) -> None:
        """Logs when assistance is configured and cannot work."""
        if self.settings is not None and not self._is_installed:
            _log.error("%s", NEEDS_OPENAI)

    async def close(self) -> None:
        """Closes the connections."""
        await self._datasheets.close()

    @property
    def off_reason(self) -> str | None:
        """Why the model cannot be asked; None while it can."""
        if self.settings is None:
            return OFF
        return None if self._is_installed else NEEDS_OPENAI

    async def state(self, read: Connection) -> AssistanceState:
        """Whether it is on, and what was asked today."""
        settings, day = self.settings, clock.today()
        usage = await repository.get_usage(read, day)
        return AssistanceState(
            is_on=self.off_reason is None,
            reason=self.off_reason,
            model=None if settings is None else settings.model,
            photos=settings is not None and settings.photos,
            day=day,
            requests=usage.requests,
            most_requests=settings.daily_requests if settings else 0,
            tokens=usage.tokens,
            most_tokens=settings.daily_tokens if settings else 0,
        )

    async def ask(self, item_id: int, by: Principal) -> Job:
        """The job that asks the model about an item: a new one, or the one already queued or running.

        Raises Conflict while assistance is off or for an item that is not in use, NotFound, Throttled.
        """
        # In one transaction, so that two who ask at once make one job.
        async with self._database.transaction() as tx:
            await lock_items(tx, {item_id})
            item = await get_item(tx, item_id)
            settings = self._require()
            if not item.is_active:
                raise Conflict(f"{item.name} is no longer in use; make it active again first")
            job = await self.find_job(tx, item_id)
            if job is not None and not job.status.is_final:
                return job
            usage = await repository.get_usage(tx, clock.today())
            if usage.requests >= settings.daily_requests or usage.tokens >= settings.daily_tokens:
                raise exhausted(settings)
            new = NewJob(kind=SUGGEST, parameters={"item_id": item_id}, created_by=by.user.username)
            job_id = await add_job(tx, new)
            assert job_id is not None
        self._jobs.look_now()
        return await self._jobs.look(job_id)

    async def find_job(self, read: Connection, item_id: int) -> Job | None:
        """The last job that asked about an item, if it is still listed."""
        job_id = await repository.find_last_job(read, SUGGEST, {"item_id": item_id})
        return None if job_id is None else await get_job(read, job_id)

    async def accept(self, suggestion_id: int, by: Principal, if_versions: set[int] | None = None) -> Suggestion:
        """Applies a suggestion; of a datasheet, it starts the job that fetches it, after which it is accepted.

        Raises NotFound, Conflict where it was decided before or no longer applies, Stale.
        """
        async with self._database.transaction() as tx:
            suggestion = await repository.get_suggestion(tx, suggestion_id)
            if suggestion.kind is not SuggestionKind.DATASHEET:
                await repository.apply_suggestion(tx, suggestion, by, if_versions)
                return await repository.get_suggestion(tx, suggestion_id)
            self._require()
            if await repository.order_datasheet(tx, suggestion, by, if_versions):
                # In the same transaction, so that two who accept it at once make one job.
                new = NewJob(kind=FETCH, parameters={"suggestion_id": suggestion_id}, created_by=by.user.username)
                await add_job(tx, new)
        self._jobs.look_now()
        async with self._database.read() as read:
            return await repository.get_suggestion(read, suggestion_id)

    def _require(self) -> AssistanceSettings:
        """The settings. Raises Conflict while assistance is off."""
        if self.settings is None or not self._is_installed:
            raise Conflict(self.off_reason or OFF)
        return self.settings

    async def _suggest(self, parameters: dict[str, Any], report: ProgressCallback) -> Suggested:
        settings, item_id = self._require(), int(parameters["item_id"])
        assert self._model is not None
        report("reading", 0, None, "")
        async with self._database.read(Lane.BACKGROUND) as read:
            item = await get_item(read, item_id)
            words = await repository.read_vocabulary(read, MOST_LISTED)
            picture = await _find_picture(read, item) if settings.photos else None
        photo = None if picture is None else await self._documents.small_jpeg(picture, PHOTO_SIDE)
        report("asking", 0, None, "")
        text = await self._model.ask(
            Question(
                instructions=INSTRUCTIONS,
                text=describe_item(item, words.types, words.tags),
                schema=SCHEMA,
                photo=photo,
            )
        )
        answer = read_answer(text)
        async with self._database.read(Lane.BACKGROUND) as read:
            item = await get_item(read, item_id)
            tags, types = await repository.find_names(read, answer)
        candidates = await asyncio.to_thread(check_answer, answer, item, tags, types, to_private=self._to_private)
        async with self._database.transaction() as tx:
            added = await repository.add_suggestions(tx, item_id, candidates, settings.model)
        return Suggested(item_id, added)

    async def _fetch(self, parameters: dict[str, Any], report: ProgressCallback) -> Fetched:
        self._require()
        suggestion_id = int(parameters["suggestion_id"])
        report("fetching", 0, None, "")
        async with self._database.read() as read:
            order = await repository.get_datasheet_order(read, suggestion_id)
            by = await _principal(read, order)
            item = await get_item(read, order.item_id)
        async with workspace(self._scratch) as directory:
            file = directory / "datasheet"
            declared = await self._datasheets.fetch(order.url, file)
            return await self._store(suggestion_id, item, file, declared, by)

    async def _store(self, suggestion_id: int, item: Item, file: Path, declared: str, by: Principal) -> Fetched:
        stored = await self._documents.store(file, "", declared)
        async with self._database.transaction() as tx:
            # Locks and checks the item before the suggestion, as accepting another one does, also for a known content.
            await get_usable_item(tx, item.id)
            known = await repository.find_document_of_content(tx, item.id, stored.examined.sha256)
            if known is None:
                document = await add_file(tx, item.id, _document_name(item), stored.examined, stored.size, by)
                known, is_new = document.id, True
            else:
                is_new = False
            await repository.accept_datasheet(tx, suggestion_id, by, known, is_new=is_new)
        return Fetched(item.id, known)


async def _find_picture(read: Connection, item: Item) -> Document | None:
    """The picture of an item, else its first one."""
    if item.image_document_id is not None:
        return await get_document(read, item.image_document_id)
    found = await list_documents(read, skip=0, limit=1, item_id=item.id, kind=DocumentKind.IMAGE)
    return found[0] if found else None


async def _principal(read: Connection, order: DatasheetOrder) -> Principal:
    assert order.decided_by is not None
    user = await get_user(read, order.decided_by)
    if not user.is_active or user.role not in (Role.ADMIN, Role.MEMBER):
        raise Forbidden(f"Access denied. {user.username}, who accepted the datasheet, may no longer add documents")
    return Principal(user)


def _document_name(item: Item) -> str:
    """The name of a datasheet: by the manufacturer's code, which is how people look for it."""
    suffix = " datasheet"
    return f"{(item.manufacturer_code or item.name)[: LONGEST_NAME - len(suffix)].strip()}{suffix}"
