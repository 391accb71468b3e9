"""Files of imports on disk: an upload is stored until its job has ended, its reports for RETENTION_SECONDS."""

from __future__ import annotations

import csv
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

import msgspec

from stocky.disk import disk_errors, sync_directory
from stocky.errors import NotFound
from stocky.exports.csv_cells import cell, guarded, unguarded
from stocky.imports.repository import ImportKeys
from stocky.imports.row_parser import ORIGIN_COLUMN, Columns, Line
from stocky.imports.schemas import LineReport

RETENTION_SECONDS = 7 * 86_400
# A younger file may still be uploading, or waiting for its job to be queued.
SETTLED_SECONDS = 3_600
# The maximum of uploads that wait for their job.
MOST_WAITING = 10
# An upload in progress has another name, so that an interrupted one is not counted as waiting.
ARRIVING = "arriving.csv"
UPLOAD, REPORT, REFUSED, PLAN = "upload.csv", "report.csv", "refused.csv", "plan.json"
# A draft's file; `ORIGIN` in an import's directory names the draft and the options.
DRAFT, ORIGIN = "draft.csv", "origin.json"
DRAFT_SECONDS = 86_400
PROBLEM_COLUMN = "import_problem"
_ID = re.compile(r"[0-9a-f]{32}")


class ImportStore:
    """The directory of imports, with a directory for each."""

    def __init__(self, data_dir: Path) -> None:
        self.directory = data_dir / "imports"

    def make(self, import_id: str) -> Path:
        """The directory of a new import. Raises OutOfSpace."""
        directory = self.directory_of(import_id)
        with disk_errors():
            directory.mkdir(parents=True)
        return directory

    def directory_of(self, import_id: str) -> Path:
        """The directory of an import."""
        assert _ID.fullmatch(import_id)
        return self.directory / import_id

    def waiting(self) -> int:
        """The number of stored uploads."""
        return sum(1 for _ in self.directory.glob(f"*/{UPLOAD}"))

    def finish(self, import_id: str) -> None:
        """Removes the files that only the job needed. A file that cannot be removed is swept later."""
        for name in (UPLOAD, PLAN):
            with suppress(OSError):
                (self.directory_of(import_id) / name).unlink(missing_ok=True)

    def touch_upload(self, import_id: str) -> bool:
        """Makes a stored upload as new, so that no sweep removes it before its job is queued; False without one."""
        try:
            os.utime(self.directory_of(import_id) / UPLOAD)
        except FileNotFoundError:
            return False
        return True

    def make_room(self, ended: set[str], most: int) -> None:
        """Removes the oldest uploads of imports whose job has `ended`, until less than `most` uploads are stored."""
        uploads = sorted(self.directory.glob(f"*/{UPLOAD}"), key=age, reverse=True)
        removable = [each.parent.name for each in uploads if each.parent.name in ended]
        for import_id in removable[: max(0, len(uploads) - most + 1)]:
            self.finish(import_id)

    def remove(self, import_id: str) -> None:
        """Removes all files of an import."""
        shutil.rmtree(self.directory_of(import_id), ignore_errors=True)

    def sweep(self, wanted: set[str]) -> None:
        """Removes files older than RETENTION_SECONDS, and uploads without a job.

        `wanted` are the imports whose job has not ended or may be run again; their files stay, however old.
        """
        for directory in self.directory.glob("*"):
            if directory.name not in wanted:
                if age(directory) > RETENTION_SECONDS:
                    shutil.rmtree(directory, ignore_errors=True)
                for name in (ARRIVING, UPLOAD, PLAN):
                    if age(directory / name) > SETTLED_SECONDS:
                        (directory / name).unlink(missing_ok=True)
                if age(directory / DRAFT) > DRAFT_SECONDS:
                    shutil.rmtree(directory, ignore_errors=True)


def age(path: Path) -> float:
    """Seconds since the file was written; 0 when it does not exist."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0


def sync(file: Path) -> None:
    """Flushes the file and its directory entry to disk."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(file.parent)


class Reports:
    """Writes the outcome of every row to `report.csv`, and the refused rows unchanged to `refused.csv`.

    A refused row carries its origin, so that importing it again does not book it twice. `columns` are of the file.
    """

    def __init__(self, directory: Path, columns: Columns, names: ImportKeys, *, again: bool) -> None:
        self._names = names
        header = columns.header
        self._width = len(header)
        self._columns = [at for at, name in enumerate(header) if name not in (PROBLEM_COLUMN, ORIGIN_COLUMN)]
        mode = "a" if again else "w"
        self._report = (directory / REPORT).open(mode, encoding="utf-8" if again else "utf-8-sig", newline="")
        self._refused = (directory / REFUSED).open(mode, encoding="utf-8" if again else "utf-8-sig", newline="")
        self._report_writer = csv.writer(self._report)
        self._refused_writer = csv.writer(self._refused, delimiter=columns.refused_delimiter)
        if not again:
            self._report_writer.writerow(["line", "outcome", "item", "column", "message"])
            named = [guarded(unguarded(header[at])) for at in self._columns]
            self._refused_writer.writerow([*named, PROBLEM_COLUMN, ORIGIN_COLUMN])

    def add(self, row: LineReport) -> None:
        """Adds a line to the report."""
        cells = (row.line, row.outcome, row.item, row.column, row.message)
        self._report_writer.writerow([cell(each) for each in cells])

    def add_refused(self, line: Line, message: str) -> None:
        """Adds a refused row as it was read, with the reason."""
        cells = [line.cells[at] if at < len(line.cells) else "" for at in self._columns]
        # Extra cells go after the columns, so that the row is refused again unless it is corrected.
        beyond = line.cells[self._width :]
        given = [guarded(unguarded(each)) for each in (*cells, *beyond)]
        written = [*given[: len(cells)], cell(message), str(self._names.origin(line)), *given[len(cells) :]]
        self._refused_writer.writerow(written)

    def close(self) -> None:
        self._report.close()
        self._refused.close()


@contextmanager
def open_reports(directory: Path, columns: Columns, names: ImportKeys, *, again: bool = False) -> Iterator[Reports]:
    """Opens the reports of an import for the block; `again` appends to them."""
    with disk_errors():
        opened = Reports(directory, columns, names, again=again)
        try:
            yield opened
        finally:
            opened.close()


def read_report(file: Path, outcome: str | None, skip: int, limit: int) -> list[LineReport]:
    """Rows of a `report.csv`, of one outcome or all. Reads a file. Raises NotFound when it was deleted."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.reader(opened)
            next(rows, None)
            wanted = (row for row in rows if outcome in (None, row[1]))
            return [
                msgspec.convert(
                    {
                        "line": int(line),
                        "outcome": had,
                        "item": unguarded(item),
                        "column": unguarded(column) or None,
                        "message": unguarded(message),
                    },
                    LineReport,
                )
                for line, had, item, column, message in islice(wanted, skip, skip + limit)
            ]
    except FileNotFoundError:
        raise NotFound("The report was deleted after a week") from None
