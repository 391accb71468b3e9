"""What the backups ask a child process for, and the results."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from stocky.backup.dump.format import Footer, Header
from stocky.config import BlobSettings
from stocky.worker.messages import Request

Purpose = Literal["full", "partial", "verify"]


class DumpRequest(Request, frozen=True, kw_only=True):
    """A dump of the database at `database_url`: to `output`, or to standard output. `scratch` is a directory."""

    entry: ClassVar[str] = "stocky.backup.dump.making:dump"
    database_url: str
    scratch: str
    output: str | None = None


class ArchiveRequest(DumpRequest, frozen=True, kw_only=True):
    """The same as an archive, with these settings beside it, and what documents have in this store."""

    entry: ClassVar[str] = "stocky.backup.archive.writing:write_archive"
    settings: dict[str, Any]
    blobs: BlobSettings


class DumpResult(msgspec.Struct, frozen=True, kw_only=True):
    """A dump that was made. `bytes` and `sha256` are of the compressed file."""

    header: Header
    footer: Footer
    bytes: int
    sha256: str
    # Of an archive: contents of documents that are in it.
    documents_count: int = 0
    # What the database holds that is not Stocky's; of an archive also which documents' contents it lacks.
    warnings: list[str] = []


class LoadRequest(Request, frozen=True, kw_only=True):
    """A dump to be read into the SQLite file `scratch`, which is made.

    `full` is for a restore: it has to be a whole dump with an active admin. `partial` takes what is there, and
    needs no header. `verify` compares what was loaded with what was dumped. `max_bytes` bounds what the dump
    may become when it is unpacked. `accept_edited` leaves out the checksums, for a dump edited on purpose.
    """

    entry: ClassVar[str] = "stocky.backup.load.loading:load_in_child"
    dump: str
    scratch: str
    purpose: Purpose
    max_bytes: int
    accept_edited: bool = False


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was loaded: rows per table, and the header where there was one."""

    rows: dict[str, int]
    header: Header | None = None
    warnings: list[str] = []
    # Of a verification: what is not as it was dumped.
    problems: list[str] = []
    # Whether checksums prove that it is what was backed up: not of an edited dump, nor where there are none.
    is_as_made: bool = True


class FillRequest(Request, frozen=True, kw_only=True):
    """The rows of the SQLite file `scratch` to be copied into the empty `schema` of the Postgres at `database_url`.

    Without `references` the tables do not insist that what a row refers to is among them.
    """

    entry: ClassVar[str] = "stocky.backup.swap.postgres_fill:fill"
    database_url: str
    schema: str
    scratch: str
    references: bool = True


class FillResult(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows each table got."""

    rows: dict[str, int]


class CompareRequest(Request, frozen=True, kw_only=True):
    """The database at `database_url` to be compared with the SQLite file `scratch`, which would take its place."""

    entry: ClassVar[str] = "stocky.backup.comparing:compare"
    database_url: str
    scratch: str


class TableChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore would change in a table: rows that it adds, removes and changes, with examples by name."""

    added: int
    removed: int
    changed: int
    examples_added: Annotated[list[str], msgspec.Meta(description="Up to five of them, by name")] = []
    examples_removed: Annotated[list[str], msgspec.Meta(description="Up to five of them, by name")] = []
    examples_changed: Annotated[
        list[str], msgspec.Meta(description="Up to five of them: the name, a new one, and the columns that change")
    ] = []


class CompareResult(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of each table that would not stay as it is."""

    changes: dict[str, TableChanges]
