"""Uploaded files before their import: stored for a day, so that a user can assign columns and try a dry run.

An import uses a copy of a draft, so the draft's file never changes; only the user who uploaded it may use it.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request

from stocky.auth.schemas import Principal
from stocky.damaged_json import DAMAGED_JSON
from stocky.disk import disk_errors
from stocky.errors import NotFound
from stocky.http.uploads import receive_upload
from stocky.imports.column_sources import find_sources, key_fields, preset_of
from stocky.imports.encodings import check_encoding
from stocky.imports.files import ARRIVING, DRAFT, DRAFT_SECONDS, ORIGIN, ImportStore, age
from stocky.imports.guessing import assign, samples_of
from stocky.imports.options import open_sheet
from stocky.imports.presets import Preset, detect
from stocky.imports.questions import Answer, Question, QuestionAsked
from stocky.imports.schemas import Encoding, ImportOptions
from stocky.imports.survey import read_start

MOST_DRAFTS = 20
_ABOUT = "draft.json"
_ID = re.compile(r"[0-9a-f]{32}")


class Draft(msgspec.Struct, frozen=True):
    """A stored file that is not imported yet. `encodings` are those that its text may have, the best first."""

    id: str
    filename: str
    user_id: int
    encoding: Encoding
    encodings: list[Answer] = []

    @property
    def texts(self) -> list[tuple[str, str]]:
        """The possible encodings, each with the words that it shows."""
        return [(answer.options["encoding"], answer.sample) for answer in self.encodings]


class Origin(msgspec.Struct, frozen=True):
    """The draft of an import, and its options."""

    draft: Draft
    options: ImportOptions


class Column(msgspec.Struct, frozen=True):
    """A column of a draft: its header, its first values, and the field that its header names, if that is clear."""

    header: str
    samples: list[str]
    guess: str | None


class DraftTable(msgspec.Struct, frozen=True):
    """The summary of a draft, without reading all of it; `questions` are open unless the columns are assigned.

    `looks_like` is the preset for such files, and `preset` the one that assigns the columns.
    """

    columns: list[Column]
    questions: list[Question]
    encoding: str
    delimiter: str
    header_row: int
    looks_like: Preset | None
    preset: Preset | None


async def receive_draft(
    store: ImportStore, request: Request[Any, Any, Any], by: Principal, max_bytes: int, wanted: Any
) -> Draft:
    """Stores the file of a form; of more than `MOST_DRAFTS` files of the user, the oldest is removed.

    Raises BadRequest without a file, TooLarge, Invalid for a file that is not a table, Unavailable.
    """
    id = uuid.uuid4().hex
    directory = await asyncio.to_thread(store.make, id)
    try:
        upload = await receive_upload(request, directory / ARRIVING, max_bytes, wanted)
        encoding, encodings = await asyncio.to_thread(_find_encoding, upload.file)
        draft = Draft(id, upload.filename[:200], by.id, encoding, encodings)
        await asyncio.to_thread(_keep, directory, upload.file, draft)
    except BaseException:
        await asyncio.to_thread(store.remove, id)
        raise
    await asyncio.to_thread(_remove_oldest, store, by)
    return draft


def get_draft(store: ImportStore, id: str, by: Principal) -> Draft:
    """The user's draft with this id; reads a file. Raises NotFound."""
    with suppress(OSError, *DAMAGED_JSON):
        if _ID.fullmatch(id):
            draft = msgspec.json.decode((store.directory_of(id) / _ABOUT).read_bytes(), type=Draft)
            if draft.user_id == by.id and (store.directory_of(id) / DRAFT).is_file():
                return draft
    raise NotFound("This file is no longer stored: files are kept for a day. Choose it again")


def read_table(store: ImportStore, draft: Draft, options: ImportOptions) -> DraftTable:
    """The columns of a draft with samples; reads the start of the file. Raises Invalid for a file without a table."""
    sheet, rows = read_start(store.directory_of(draft.id) / DRAFT, options)
    preset = preset_of(options)
    questions: list[Question] = []
    if preset is None:
        assigned = assign(sheet.header, rows, key_fields(options))
        fields = assigned.fields
        if options.mapping is None:
            questions = assigned.questions
    else:
        fields = find_sources(sheet.header, options).fields
    columns = [
        Column(header, samples_of(rows, index), fields[header]) for index, header in enumerate(sheet.header) if header
    ]
    return DraftTable(
        columns, questions, sheet.encoding, sheet.delimiter, sheet.header_row, detect(sheet.header), preset
    )


def copy_draft(store: ImportStore, draft: Draft, options: ImportOptions, target: Path) -> None:
    """Copies the file of a draft for an import, and records the draft in the import's directory."""
    with disk_errors():
        shutil.copyfile(store.directory_of(draft.id) / DRAFT, target)
        target.with_name(ORIGIN).write_bytes(msgspec.json.encode(Origin(draft, options)))


def find_origin(store: ImportStore, import_id: str, by: Principal) -> Origin | None:
    """The draft and the options of an import, if the draft still exists and is the user's; reads files."""
    try:
        origin = msgspec.json.decode((store.directory_of(import_id) / ORIGIN).read_bytes(), type=Origin)
        get_draft(store, origin.draft.id, by)
    except (OSError, NotFound, *DAMAGED_JSON):
        return None
    return origin


def remove_imported(store: ImportStore, import_id: str) -> None:
    """Removes the draft of an import, if it has one; reads a file."""
    with suppress(OSError, *DAMAGED_JSON):
        origin = msgspec.json.decode((store.directory_of(import_id) / ORIGIN).read_bytes(), type=Origin)
        store.remove(origin.draft.id)


def for_real(options: ImportOptions, *, partial: bool) -> ImportOptions:
    """The options of the real import after a dry run."""
    return msgspec.structs.replace(options, dry_run=False, partial=partial)


def _find_encoding(file: Path) -> tuple[Encoding, list[Answer]]:
    """The encoding in which the text of the file makes the most sense, and the others, if several are possible.

    Raises Invalid for a file that is not a table.
    """
    encoding, answers = Encoding.AUTO, list[Answer]()
    try:
        check_encoding(file)
    except QuestionAsked as asked:
        answers = asked.questions[0].answers
        encoding = Encoding(answers[0].options["encoding"])
    open_sheet(file, ImportOptions(encoding=encoding)).close()
    return encoding, answers if len(answers) > 1 else []


def _keep(directory: Path, file: Path, draft: Draft) -> None:
    with disk_errors():
        (directory / _ABOUT).write_bytes(msgspec.json.encode(draft))
        file.rename(directory / DRAFT)


def _remove_oldest(store: ImportStore, by: Principal) -> None:
    """Removes drafts that are too old, and of the user's those beyond `MOST_DRAFTS`."""
    own = []
    for draft in sorted(store.directory.glob(f"*/{DRAFT}"), key=age):
        if age(draft) > DRAFT_SECONDS:
            store.remove(draft.parent.name)
            continue
        with suppress(NotFound):
            own.append(get_draft(store, draft.parent.name, by))
    for surplus in own[MOST_DRAFTS:]:
        store.remove(surplus.id)
