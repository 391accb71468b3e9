"""Loads a dump or a SQLite file into a scratch database and checks it, in a child process; writes nothing else."""

from __future__ import annotations

import gc
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from stocky.backup.dump.format import LEDGER, Header
from stocky.backup.dump.lines import table_digests
from stocky.backup.dump.tables import BOOKKEEPING, DERIVED, EXCLUDED_TABLES, is_data
from stocky.backup.load import scratch
from stocky.backup.load.checks import FAULTS, check_database, check_rows
from stocky.backup.load.damage import refuse_damage
from stocky.backup.load.database_file import DatabaseReader, copy_database, is_database, open_untrusted
from stocky.backup.load.dump_text import Unpacked, _describe_dump
from stocky.backup.load.ledger import LedgerChain
from stocky.backup.load.reading import Batch, DumpReader
from stocky.backup.load.rows import Table, tables_of
from stocky.backup.requests import LoadRequest, LoadResult
from stocky.barcodes.codes import normalize_barcode
from stocky.db.location_paths import complete_locations
from stocky.db.migration_files import schema_version
from stocky.db.sqlite_file import domain_error
from stocky.errors import BadRequest, Conflict, Invalid
from stocky.progress import ProgressCallback

ADDRESS_SPACE = 2 * 2**30
OPEN_FILES = 64
# Unpacked bytes per second of processor time on a slow machine.
SLOWEST = 2**20


def set_up_process(request: LoadRequest) -> None:
    """Limits this process's resources, in case a dump passes all other checks, and disables garbage collection."""
    # Collecting costs time and finds nothing: millions of rows hold no references to each other.
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


def load_in_child(request: LoadRequest, report: ProgressCallback) -> LoadResult:
    """Sets the limits, then calls `load`. Raises what `load` does."""
    set_up_process(request)
    return load(request, report)


def load(request: LoadRequest, report: ProgressCallback) -> LoadResult:
    """Loads the dump into `request.scratch`.

    Raises BadRequest for an incomplete or invalid dump, Conflict for one of a newer Stocky, TooLarge.
    """
    with closing(Unpacked(Path(request.dump), request.max_bytes)) as source:
        if is_database(source.beginning):
            return _load_database(request, source, report)
        return _load_dump(request, source, report)


def _load_dump(request: LoadRequest, source: Unpacked, report: ProgressCallback) -> LoadResult:
    try:
        reader = DumpReader(source, report, accept_edited=request.accept_edited)
        header = reader.header
        if header is None and request.purpose != "partial":
            hint = _describe_dump(source.beginning, source.layers) or "Its first lines are missing"
            raise BadRequest(f"This is not a Stocky backup. {hint}")
    except BadRequest as error:
        _refuse_damage(request, error)
        raise
    schema = schema_version("sqlite")
    if header is not None:
        schema = header.schema
        _refuse_other_versions(schema, f"was made by a newer Stocky ({header.stocky}, schema {schema};")
    problems: list[str] = []
    if header is not None and header.increment is not None and not request.parents:
        raise BadRequest(f"The backup is an increment, which needs {header.increment.parent.filename}")

    def fill(connection: sqlite3.Connection, tables: dict[str, Table]) -> None:
        chain = None
        if header is not None and header.increment is not None:
            chain = LedgerChain(connection, request, header)
            chain.load_parents(tables, lambda batches: _insert(connection, tables, batches), report)
            problems.extend(chain.problems)
        try:
            _insert(connection, tables, reader.batches(tables, scratch.known_names()))
        except BadRequest as error:
            if reader.footer is None:
                _refuse_damage(request, error)
            raise
        if chain is not None:
            chain.finish(reader.found[LEDGER].rows if LEDGER in reader.found else 0)
        if request.purpose == "verify" and header is not None:
            problems.extend(_differences(connection, reader, header))

    warnings = _build(request, schema, fill, report)
    if reader.edits:
        warnings.insert(0, f"The backup was edited after it was made: {', '.join(reader.edits)}")
    rows = {table: digest.rows for table, digest in reader.found.items() if is_data(table)}
    if reader.footer is not None:
        rows = dict.fromkeys(reader.footer.tables, 0) | rows
    if header is not None and header.increment is not None:
        rows[LEDGER] = header.increment.events
    is_as_made = header is not None and not reader.edits
    return LoadResult(rows=rows, header=header, warnings=warnings, problems=problems, is_as_made=is_as_made)


def _refuse_damage(request: LoadRequest, error: BadRequest) -> None:
    """Raises BadRequest for a damaged file: what was read wrong first does not say what is wrong with it."""
    if not request.accept_edited:
        refuse_damage(Path(request.dump), request.max_bytes, error)


def _load_database(request: LoadRequest, source: Unpacked, report: ProgressCallback) -> LoadResult:
    given = Path(request.scratch).with_name("given.db")
    warnings = copy_database(source, Path(request.dump), given, request.max_bytes)
    with closing(open_untrusted(given)) as connection:
        reader = DatabaseReader(connection, report)
        _refuse_other_versions(reader.schema, f"is a database of a newer Stocky (schema {reader.schema};")
        if reader.foreign:
            warnings.append(
                f"Tables and views that are not Stocky's were left out: {', '.join(reader.foreign[:FAULTS])}"
            )
        warnings += _build(
            request, reader.schema, lambda target, tables: _insert(target, tables, reader.batches(tables)), report
        )
    given.unlink()
    return LoadResult(rows=reader.rows, warnings=warnings, is_as_made=False)


def _build(
    request: LoadRequest,
    schema: int,
    fill: Callable[[sqlite3.Connection, dict[str, Table]], None],
    report: ProgressCallback,
) -> list[str]:
    """Builds the scratch database of `schema`, inserts rows with `fill`, checks it; returns warnings."""
    path = Path(request.scratch)
    scratch.build(path, schema)
    with closing(scratch.open_scratch(path)) as connection:
        indexes = scratch.drop_indexes(connection)
        tables = {name: table for name, table in tables_of(connection).items() if name not in BOOKKEEPING}
        for table in tables.keys() - DERIVED:
            # The dump also holds the rows that migrations insert.
            connection.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a name of our own schema
        fill(connection, tables)
        report("building indexes", 0, len(indexes), "indexes")
        for done, statement in enumerate(indexes, 1):
            _execute(connection, statement)
            report("building indexes", done, len(indexes), "indexes")
    warnings = []
    if scratch.migrate_forward(path):
        current = schema_version("sqlite")
        warnings.append(f"Backup from older version, may have issues (schema {schema}, now {current}); it was migrated")
    _complete_keys(path)
    report("checking", 0, None, "")
    if request.purpose == "partial":
        check_rows(path)
    else:
        check_database(path, needs_admin=request.purpose == "full")
    return warnings


def _refuse_other_versions(schema: int, newer: str) -> None:
    """Raises Conflict for a newer schema, BadRequest for an invalid one. `newer` is the start of the message."""
    current = schema_version("sqlite")
    if schema > current:
        raise Conflict(f"The backup {newer} this one has {current}); install that version or a later one")
    if schema < 1:
        raise BadRequest(f"The backup is damaged: there is no schema {schema}")


def _insert(connection: sqlite3.Connection, tables: dict[str, Table], batches: Iterator[Batch]) -> None:
    """Inserts all rows in one transaction."""
    scratch.allow_only_inserts(connection, frozenset(tables))
    try:
        connection.execute("BEGIN")
        for batch in batches:
            if batch.table.name in EXCLUDED_TABLES:
                raise BadRequest(f"The backup holds rows of {batch.table.name}, which belong in no backup")
            try:
                connection.executemany(batch.table.insert(batch.names), batch.rows)
            except sqlite3.Error as error:
                raise _refusal(batch.table.name, error) from error
        connection.execute("COMMIT")
    finally:
        scratch.allow_everything(connection)


def _complete_keys(path: Path) -> None:
    """Sets missing barcode keys: those of rows written by hand, since Stocky's dumps have them; and paths of locations.

    Raises BadRequest for a key that is not the barcode's; one that shares its key with another may have an older one.
    """
    with closing(scratch.open_scratch(path)) as connection:
        complete_locations("sqlite", connection.execute)
        connection.create_function("key_of", 1, normalize_barcode, deterministic=True)
        _execute(connection, "UPDATE barcode SET code_key = key_of(code) WHERE code_key IS NULL")
        wrong = connection.execute(
            "SELECT code, code_key FROM barcode WHERE code_key <> key_of(code)"
            " AND (shared_key IS NULL OR shared_key <> key_of(code)"
            " OR code_key NOT IN (code, '0' || code, '00' || code, '000000' || code)) LIMIT 1"
        ).fetchone()
        if wrong is not None:
            raise BadRequest(
                f"The backup has the key {wrong[1]!r} for the barcode {wrong[0]!r}, which is of another one"
            )


def _differences(connection: sqlite3.Connection, reader: DumpReader, header: Header) -> list[str]:
    """The tables whose loaded rows differ from the digests in the dump."""
    assert reader.footer is not None
    if reader.edits:
        # The footer describes the rows before the edit.
        return []
    loaded = table_digests(connection, header.dialect, None if header.increment is None else header.increment.after)
    problems = []
    for table, dumped in reader.footer.tables.items():
        found = loaded.get(table)
        if found is None:
            problems.append(f"{table}: there is no such table")
        elif found != dumped:
            problems.append(f"{table}: {found.rows} of {dumped.rows} rows restored, or with different content")
    return problems


def _execute(connection: sqlite3.Connection, statement: str) -> None:
    try:
        connection.execute(statement)
    except sqlite3.Error as error:
        raise _refusal(None, error) from error


def _refusal(table: str | None, error: sqlite3.Error) -> Exception:
    """The error to raise for a row that the schema rejects."""
    meaning = domain_error(error)
    if isinstance(error, sqlite3.IntegrityError) or isinstance(meaning, (Conflict, Invalid)):
        of_table = f" of {table}" if table else ""
        return BadRequest(f"The backup holds conflicting rows{of_table}: {error}")
    return meaning
