"""The requests of backups to the worker process, and their results."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from stocky.backup.dump.format import Footer, Header
from stocky.backup.dump.ledger import Continued, LedgerMark
from stocky.backup.encryption.settings import EncryptionSettings
from stocky.config import BlobSettings
from stocky.worker.messages import Request

Purpose = Literal["full", "partial", "verify"]


class DumpRequest(Request, frozen=True, kw_only=True):
    """Dump the database at `database_url` to `output`, or to standard output. `scratch` is a directory.

    With `is_marked` the result has the mark from which an increment can continue. With `continued` the dump is an
    increment of that one, or a whole dump when the ledger does not continue it.
    What is written is encrypted where `encryption` has keys for it.
    """

    entry: ClassVar[str] = "stocky.backup.dump.making:dump"
    database_url: str
    scratch: str
    output: str | None = None
    is_marked: bool = False
    continued: Continued | None = None
    encryption: EncryptionSettings | None = None


class ArchiveRequest(DumpRequest, frozen=True, kw_only=True):
    """Write an archive: the dump, these settings, and the contents of documents from this store."""

    entry: ClassVar[str] = "stocky.backup.archive.writing:write_archive"
    settings: dict[str, Any]
    blobs: BlobSettings


class DumpResult(msgspec.Struct, frozen=True, kw_only=True):
    """A finished dump. `bytes` and `sha256` are of the file, or of the content of an encrypted standard output."""

    header: Header
    footer: Footer
    bytes: int
    sha256: str
    # For an archive: how many document contents it holds.
    documents_count: int = 0
    mark: LedgerMark | None = None
    # Objects of the database that are not Stocky's; for an archive also missing contents of documents.
    warnings: list[str] = []


class LoadRequest(Request, frozen=True, kw_only=True):
    """Load a dump into the new SQLite file `scratch`.

    `full` is for a restore and requires a complete dump with an active admin. `partial` accepts any rows and needs no
    header. `verify` compares the loaded rows with the dumped ones. `max_bytes` bounds the unpacked size.
    `accept_edited` skips the checksums, for a dump edited on purpose. `parents` are the dumps that an increment needs,
    the base first; of them only the ledger is loaded.
    """

    entry: ClassVar[str] = "stocky.backup.load.loading:load_in_child"
    dump: str
    scratch: str
    purpose: Purpose
    max_bytes: int
    accept_edited: bool = False
    parents: tuple[str, ...] = ()


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """The loaded rows per table, and the header if the dump has one."""

    rows: dict[str, int]
    header: Header | None = None
    warnings: list[str] = []
    # For a verification: differences from the dump.
    problems: list[str] = []
    # Whether checksums confirm that the rows are unchanged: False for an edited dump and without checksums.
    is_as_made: bool = True


class FillRequest(Request, frozen=True, kw_only=True):
    """Copy the rows of the SQLite file `scratch` into the empty `schema` of the Postgres at `database_url`.

    Without `references` the tables get no foreign keys.
    """

    entry: ClassVar[str] = "stocky.backup.swap.postgres_fill:fill"
    database_url: str
    schema: str
    scratch: str
    references: bool = True


class FillResult(msgspec.Struct, frozen=True, kw_only=True):
    """The number of copied rows per table."""

    rows: dict[str, int]


class CompareRequest(Request, frozen=True, kw_only=True):
    """Compare the database at `database_url` with the SQLite file `scratch` that would replace it."""

    entry: ClassVar[str] = "stocky.backup.comparing:compare"
    database_url: str
    scratch: str


class TableChanges(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a table that a restore would add, remove and change, with examples by name."""

    added: int
    removed: int
    changed: int
    examples_added: Annotated[list[str], msgspec.Meta(description="Up to five examples, by name")] = []
    examples_removed: Annotated[list[str], msgspec.Meta(description="Up to five examples, by name")] = []
    examples_changed: Annotated[
        list[str],
        msgspec.Meta(description="Up to five examples: the name, the new name if it changes, and the changed columns"),
    ] = []


class CompareResult(msgspec.Struct, frozen=True, kw_only=True):
    """The changes per table; unchanged tables are left out."""

    changes: dict[str, TableChanges]
