"""Files that a person looks at before they are imported: kept for a day, so that columns can be assigned and tried.

A draft is imported by copies, so its own file never changes; only who sent it may use it.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import uuid
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request

from stocky.auth.schemas import Principal
from stocky.errors import Invalid, NotFound
from stocky.http.uploads import receive_upload
from stocky.imports.fields import guess
from stocky.imports.files import ARRIVING, DRAFT, DRAFT_SECONDS, ORIGIN, ImportStore, age
from stocky.imports.options import open_sheet
from stocky.imports.schemas import Encoding, ImportOptions
from stocky.worker.workspace import disk_errors

MOST_DRAFTS = 20
_ABOUT = "draft.json"
_ID = re.compile(r"[0-9a-f]{32}")
_SAMPLES, _SAMPLE_ROWS = 3, 50
_MAX_SAMPLE = 40
_TEXT_SAMPLE = 64 * 1024


class Draft(msgspec.Struct, frozen=True):
    """A stored file that is not imported yet."""

    id: str
    filename: str
    user_id: int
    encoding: Encoding


class Origin(msgspec.Struct, frozen=True):
    """The draft that an import was made of, and its options."""

    draft: Draft
    options: ImportOptions


class Column(msgspec.Struct, frozen=True):
    """A column of a draft: its header, the first values in it, and the field that its header is known for."""

    header: str
    samples: list[str]
    guess: str | None


class DraftTable(msgspec.Struct, frozen=True):
    """What is known of a draft without reading all of it."""

    columns: list[Column]
    encoding: str
    delimiter: str


async def receive_draft(
    store: ImportStore, request: Request[Any, Any, Any], by: Principal, max_bytes: int, wanted: Any
) -> Draft:
    """Stores the file of a form; of more than `MOST_DRAFTS` files of the user, the oldest is removed.

    Raises BadRequest without a file, TooLarge, Invalid for what is no table, Unavailable.
    """
    id = uuid.uuid4().hex
    directory = await asyncio.to_thread(store.make, id)
    try:
        upload = await receive_upload(request, directory / ARRIVING, max_bytes, wanted)
        encoding = await asyncio.to_thread(_find_encoding, upload.file)
        draft = Draft(id, upload.filename[:200], by.id, encoding)
        await asyncio.to_thread(_keep, directory, upload.file, draft)
    except BaseException:
        await asyncio.to_thread(store.remove, id)
        raise
    await asyncio.to_thread(_remove_oldest, store, by)
    return draft


def get_draft(store: ImportStore, id: str, by: Principal) -> Draft:
    """The user's draft with this id; reads a file. Raises NotFound."""
    with suppress(OSError, msgspec.MsgspecError):
        if _ID.fullmatch(id):
            draft = msgspec.json.decode((store.directory_of(id) / _ABOUT).read_bytes(), type=Draft)
            if draft.user_id == by.id and (store.directory_of(id) / DRAFT).is_file():
                return draft
    raise NotFound("This file is not there any more: it is kept for a day. Choose it again")


def read_table(store: ImportStore, draft: Draft, options: ImportOptions) -> DraftTable:
    """The columns of a draft with samples; reads the start of the file. Raises Invalid for what is no table."""
    sheet = open_sheet(store.directory_of(draft.id) / DRAFT, options)
    try:
        rows = [row.cells for row in islice(sheet.rows(), _SAMPLE_ROWS)]
    finally:
        sheet.close()
    columns = [
        Column(header, _samples(rows, index), guess(header)) for index, header in enumerate(sheet.header) if header
    ]
    return DraftTable(columns, sheet.encoding, sheet.delimiter)


def copy_draft(store: ImportStore, draft: Draft, options: ImportOptions, target: Path) -> None:
    """Copies the file of a draft for an import, and notes in the import's directory where it comes from."""
    with disk_errors():
        shutil.copyfile(store.directory_of(draft.id) / DRAFT, target)
        target.with_name(ORIGIN).write_bytes(msgspec.json.encode(Origin(draft, options)))


def find_origin(store: ImportStore, import_id: str, by: Principal) -> Origin | None:
    """The draft and the options of an import, while the draft is there and is the user's; reads files."""
    try:
        origin = msgspec.json.decode((store.directory_of(import_id) / ORIGIN).read_bytes(), type=Origin)
        get_draft(store, origin.draft.id, by)
    except (OSError, msgspec.MsgspecError, NotFound):
        return None
    return origin


def remove_imported(store: ImportStore, import_id: str) -> None:
    """Removes the draft that an import was made of, if it was made of one; reads a file."""
    with suppress(OSError, msgspec.MsgspecError):
        origin = msgspec.json.decode((store.directory_of(import_id) / ORIGIN).read_bytes(), type=Origin)
        store.remove(origin.draft.id)


def for_real(options: ImportOptions, *, partial: bool) -> ImportOptions:
    """The options of the import that a dry run has tried."""
    return msgspec.structs.replace(options, dry_run=False, partial=partial)


def _find_encoding(file: Path) -> Encoding:
    """The encoding in which the header can be read. Raises Invalid for what is no table."""
    try:
        open_sheet(file, ImportOptions()).close()
    except Invalid:
        # Spreadsheets on Windows write it; it can be read as that whatever it is, so only what looks like text counts.
        with file.open("rb") as opened:
            start = opened.read(_TEXT_SAMPLE)
        if any(byte < 32 and byte not in b"\t\r\n" for byte in start):
            raise
        open_sheet(file, ImportOptions(encoding=Encoding.CP1252)).close()
        return Encoding.CP1252
    return Encoding.AUTO


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


def _samples(rows: list[list[str]], index: int) -> list[str]:
    values = [row[index].strip() for row in rows if index < len(row) and row[index].strip()]
    return [each[:_MAX_SAMPLE] for each in dict.fromkeys(values)][:_SAMPLES]
