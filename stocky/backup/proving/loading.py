"""Loads a dump into a scratch database and proves it there; called in a child process, and touches nothing else."""

from __future__ import annotations

import gc
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

from stocky.backup.child.requests import LoadRequest, LoadResult
from stocky.backup.dump.format import Header
from stocky.backup.dump.lines import table_proofs
from stocky.backup.dump.rows import tables_of
from stocky.backup.dump.tables import BOOKKEEPING, DERIVED, LEFT_OUT, is_data
from stocky.backup.dump.writing import Report
from stocky.backup.proving import scratch
from stocky.backup.proving.checks import prove, prove_rows
from stocky.backup.proving.reading import DumpReader
from stocky.barcodes.keys import key_of
from stocky.db.migrate import schema_version
from stocky.db.sqlite_file import domain_error
from stocky.errors import BadRequest, Conflict, Invalid

ADDRESS_SPACE = 2 * 2**30
OPEN_FILES = 64
# Unpacked bytes a second of processor time that even a slow machine manages.
SLOWEST = 2**20


def set_up_process(request: LoadRequest) -> None:
    """Limits what this process can do, for the case that a dump gets past everything else, and makes it fast."""
    # There is nothing to collect: rows come and go by the million, and hold no references to each other.
    gc.disable()
    seconds = 300 + request.max_bytes // SLOWEST
    for what, limit in (
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 2 * request.max_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def load(request: LoadRequest, report: Report) -> LoadResult:
    """Makes `request.scratch` of the dump.

    Raises BadRequest for what is no whole and sound dump, Conflict for one of a newer Stocky, TooLarge.
    """
    path = Path(request.scratch)
    with closing(DumpReader(Path(request.dump), request.max_bytes, report)) as reader:
        return _load(request, reader, path, report)


def _load(request: LoadRequest, reader: DumpReader, path: Path, report: Report) -> LoadResult:
    current = schema_version("sqlite")
    header = reader.header
    if header is None and request.purpose != "partial":
        raise BadRequest("This is no backup of Stocky's: its first lines are missing")
    schema = current if header is None else header.schema
    _refuse_other_versions(header, current)
    scratch.build(path, schema)
    problems: list[str] = []
    with closing(scratch.open_scratch(path)) as connection:
        indexes = scratch.take_off_indexes(connection)
        _fill(connection, reader)
        if request.purpose == "verify" and header is not None:
            problems = _differences(connection, reader, header)
        report("building indexes", 0, len(indexes), "indexes")
        for done, statement in enumerate(indexes, 1):
            _execute(connection, statement)
            report("building indexes", done, len(indexes), "indexes")
    warnings = []
    if scratch.migrate_forward(path):
        warnings.append(f"Backup from older version, may have issues (schema {schema}, now {current}); it was migrated")
    _complete_keys(path)
    report("checking", 0, None, "")
    if request.purpose == "partial":
        prove_rows(path)
    else:
        prove(path, needs_admin=request.purpose == "full")
    rows = {table: proof.rows for table, proof in reader.found.items() if is_data(table)}
    if reader.footer is not None:
        rows = {table: proof.rows for table, proof in reader.footer.tables.items()} | rows
    return LoadResult(rows=rows, header=header, warnings=warnings, problems=problems)


def _refuse_other_versions(header: Header | None, current: int) -> None:
    if header is None:
        return
    if header.schema > current:
        raise Conflict(
            f"The backup was made by a newer Stocky ({header.stocky}, schema {header.schema}; this one has {current});"
            " install that version or a later one"
        )
    if header.schema < 1:
        raise BadRequest(f"The backup is damaged: there is no schema {header.schema}")


def _fill(connection: sqlite3.Connection, reader: DumpReader) -> None:
    """All rows in one transaction."""
    tables = {name: table for name, table in tables_of(connection).items() if name not in BOOKKEEPING}
    for table in tables.keys() - DERIVED:
        # What a migration put in is in the dump as well.
        connection.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a name of our own schema
    scratch.allow_only_inserts(connection, frozenset(tables))
    try:
        connection.execute("BEGIN")
        for batch in reader.batches(tables, scratch.known_names()):
            if batch.table.name in LEFT_OUT:
                raise BadRequest(f"The backup holds rows of {batch.table.name}, which no backup does: they are refused")
            try:
                connection.executemany(batch.table.insert(batch.names), batch.rows)
            except sqlite3.Error as error:
                raise _refusal(batch.table.name, error) from error
        connection.execute("COMMIT")
    finally:
        scratch.allow_everything(connection)


def _complete_keys(path: Path) -> None:
    """Gives barcodes their keys that came without: those written by hand, since a dump of ours has them."""
    with closing(scratch.open_scratch(path)) as connection:
        connection.create_function("key_of", 1, key_of, deterministic=True)
        _execute(connection, "UPDATE barcode SET code_key = key_of(code) WHERE code_key IS NULL")


def _differences(connection: sqlite3.Connection, reader: DumpReader, header: Header) -> list[str]:
    """What is in the scratch database otherwise than the dump says that it was."""
    assert reader.footer is not None
    loaded = table_proofs(connection, header.dialect)
    problems = []
    for table, dumped in reader.footer.tables.items():
        found = loaded.get(table)
        if found is None:
            problems.append(f"{table}: there is no such table")
        elif found != dumped:
            problems.append(f"{table}: {found.rows} rows restored of {dumped.rows}, or with other content")
    return problems


def _execute(connection: sqlite3.Connection, statement: str) -> None:
    try:
        connection.execute(statement)
    except sqlite3.Error as error:
        raise _refusal(None, error) from error


def _refusal(table: str | None, error: sqlite3.Error) -> Exception:
    """What a row that the schema refuses says about the dump."""
    meaning = domain_error(error)
    if isinstance(error, sqlite3.IntegrityError) or isinstance(meaning, (Conflict, Invalid)):
        of_table = f" of {table}" if table else ""
        return BadRequest(f"The backup holds rows{of_table} that cannot be together: {error}")
    return meaning
