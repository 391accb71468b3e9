"""Files of imports on disk: an upload lies here until its job has ended for good, its reports some days longer."""

from __future__ import annotations

import csv
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stocky.disk import sync_directory
from stocky.exports.csv_cells import cell, guarded, unguarded
from stocky.imports.idempotency import ImportKeys
from stocky.imports.row_parser import ORIGIN_COLUMN, Line
from stocky.imports.schemas import LineReport
from stocky.worker.workspace import disk_errors

KEPT_SECONDS = 7 * 86_400
# What is younger may arrive at this moment, or wait for its job to be queued.
SETTLED_SECONDS = 3_600
# Uploads that may wait for their job at once.
MOST_WAITING = 10
# While it arrives an upload has another name: what broke off waits for nobody.
ARRIVING = "arriving.csv"
UPLOAD, REPORT, REFUSED, PLAN = "upload.csv", "report.csv", "refused.csv", "plan.json"
PROBLEM_COLUMN = "import_problem"
_ID = re.compile(r"[0-9a-f]{32}")


class ImportStore:
    """The directory of imports, with a directory for each."""

    def __init__(self, data_dir: Path) -> None:
        self.directory = data_dir / "imports"

    def make(self, import_id: str) -> Path:
        """The directory of a new import. Raises OutOfSpace."""
        place = self.place(import_id)
        with disk_errors():
            place.mkdir(parents=True)
        return place

    def place(self, import_id: str) -> Path:
        """Where the files of an import lie."""
        assert _ID.fullmatch(import_id)
        return self.directory / import_id

    def waiting(self) -> int:
        """How many uploads lie here."""
        return sum(1 for _ in self.directory.glob(f"*/{UPLOAD}"))

    def finish(self, import_id: str) -> None:
        """Removes what only the job needed. What cannot be removed is swept later: the job has ended all the same."""
        for name in (UPLOAD, PLAN):
            with suppress(OSError):
                (self.place(import_id) / name).unlink(missing_ok=True)

    def remove(self, import_id: str) -> None:
        """Removes all of an import."""
        shutil.rmtree(self.place(import_id), ignore_errors=True)

    def sweep(self, wanted: set[str]) -> None:
        """Removes what is older than KEPT_SECONDS, and uploads that no job is going to read.

        `wanted` are the imports whose job has not ended; theirs are left, however old.
        """
        for place in self.directory.glob("*"):
            if place.name not in wanted:
                if _age(place) > KEPT_SECONDS:
                    shutil.rmtree(place, ignore_errors=True)
                for name in (ARRIVING, UPLOAD, PLAN):
                    if _age(place / name) > SETTLED_SECONDS:
                        (place / name).unlink(missing_ok=True)


def _age(path: Path) -> float:
    """How many seconds ago it was written; 0 when it is not there."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0


def sync(file: Path) -> None:
    """Returns when the file and its name are on the disk."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(file.parent)


class Reports:
    """What is told of the rows: of each in `report.csv`, and the refused ones as they were in `refused.csv`.

    Those say there which rows they were, so that none is booked twice however it comes again.
    """

    def __init__(self, place: Path, header: list[str], names: ImportKeys, *, again: bool) -> None:
        self._names = names
        self._width = len(header)
        self._kept = [at for at, name in enumerate(header) if name not in (PROBLEM_COLUMN, ORIGIN_COLUMN)]
        mode = "a" if again else "w"
        self._report = (place / REPORT).open(mode, encoding="utf-8" if again else "utf-8-sig", newline="")
        self._refused = (place / REFUSED).open(mode, encoding="utf-8" if again else "utf-8-sig", newline="")
        self._report_writer, self._refused_writer = csv.writer(self._report), csv.writer(self._refused)
        if not again:
            self._report_writer.writerow(["line", "outcome", "item", "column", "message"])
            self._refused_writer.writerow([*(header[at] for at in self._kept), PROBLEM_COLUMN, ORIGIN_COLUMN])

    def add(self, told: LineReport) -> None:
        """A line of the report."""
        row = (told.line, told.outcome, told.item, told.column, told.message)
        self._report_writer.writerow([cell(each) for each in row])

    def add_refused(self, line: Line, message: str) -> None:
        """A row as it was read, with what is wrong."""
        cells = [line.cells[at] if at < len(line.cells) else "" for at in self._kept]
        # Behind the columns, so that the row does not fit them next time either, unless it is mended.
        beyond = line.cells[self._width :]
        given = [guarded(unguarded(each)) for each in (*cells, *beyond)]
        written = [*given[: len(cells)], cell(message), str(self._names.origin(line)), *given[len(cells) :]]
        self._refused_writer.writerow(written)

    def close(self) -> None:
        self._report.close()
        self._refused.close()


@contextmanager
def reports(place: Path, header: list[str], names: ImportKeys, *, again: bool = False) -> Iterator[Reports]:
    """The reports of an import, open for the length of the block; with `again` more is added to them."""
    with disk_errors():
        opened = Reports(place, header, names, again=again)
        try:
            yield opened
        finally:
            opened.close()
