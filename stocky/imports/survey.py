"""Reads a file before its job is queued, and asks what is unclear; a job then reads it without questions."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import islice
from pathlib import Path

from msgspec import Struct

from stocky.errors import Invalid
from stocky.imports.barcode_repair import add_zero, may_lack_zero
from stocky.imports.cell_values import has_decimal_comma, total_in
from stocky.imports.column_sources import Sources, find_sources, key_fields, of_fields, preset_of
from stocky.imports.csv_reader import Sheet
from stocky.imports.dates import DateSurvey, is_like_date
from stocky.imports.encodings import check_encoding
from stocky.imports.fields import QUANTITIES, is_custom
from stocky.imports.guessing import assign
from stocky.imports.options import open_sheet
from stocky.imports.presets import NONE, Preset, detect
from stocky.imports.questions import Answer, Question, QuestionAsked
from stocky.imports.row_parser import Columns
from stocky.imports.schemas import Encoding, ImportOptions, SurveyResult

SAMPLE_ROWS = 50
ROWS_AT_ONCE = 100


class Survey(Struct):
    """What is known about a file before its job: the closed sheet, its columns, and how to read it."""

    sheet: Sheet
    columns: Columns
    reading: SurveyResult


def survey(file: Path, options: ImportOptions) -> Survey:
    """Surveys a file. Raises Invalid for a file that is not a table, QuestionAsked for an unclear one."""
    if options.encoding is Encoding.AUTO:
        check_encoding(file)
    sheet, rows = read_start(file, options)
    questions: list[Question] = []
    if options.mapping is None and preset_of(options) is None:
        if options.preset is None and (detected := detect(sheet.header)):
            raise QuestionAsked([ask_preset(detected)])
        assigned = assign(sheet.header, rows, key_fields(options))
        sources, questions = of_fields(sheet.header, assigned.fields), assigned.questions
    else:
        sources = find_sources(sheet.header, options)
    if (preset := preset_of(options)) and preset.about == "parts" and not options.fills_project:
        raise QuestionAsked([_ask_project(preset)], sources.fields)
    cells = _CellSurvey(sources, options)
    if cells.is_needed:
        whole = open_sheet(file, options)
        try:
            with suppress(Invalid):
                for number, row in enumerate(whole.rows()):
                    cells.add(row.cells)
                    if number % ROWS_AT_ONCE == 0:
                        # Lets the event loop run: a thread that computes keeps it waiting.
                        time.sleep(0)
        finally:
            whole.close()
    questions = [*questions, *cells.questions()]
    if questions:
        raise QuestionAsked(questions, sources.fields)
    reading = cells.reading()
    return Survey(sheet, Columns(sheet.header, options, sheet.delimiter, reading), reading)


class _CellSurvey:
    """Looks at the cells of all rows that are read in a way that the whole file decides."""

    def __init__(self, sources: Sources, options: ImportOptions) -> None:
        self._options = options
        self._sources = sources.by_field
        self._skips = sources.skips
        # A lot may be an expiry date where no column has these.
        expiry = next((field for field in ("expiry_date", "lot") if field in self._sources), "")
        self._date_fields = [field for field in (expiry, "opened_on") if field in self._sources]
        self._dates = DateSurvey() if self._date_fields and options.dates is None else None
        self._lacks_location = (
            "quantity" in self._sources
            and not options.location
            and not options.fills_project
            and not self._sources.keys() & {"location", "location_path", "box_no"}
        )
        self._has_quantities = False
        # Quantities of a file whose delimiter does not say what a comma is.
        self._quantities = (
            [field for field in self._sources if field in QUANTITIES or is_custom(field)]
            if options.decimal is None
            else []
        )
        self._has_decimal_commas = False
        self._barcodes = [field for field in ("barcode", "barcodes") if field in self._sources]
        # Numbers that may lack a zero, by whether their check digit confirms it.
        self._shortened: dict[bool, dict[str, str]] = {True: {}, False: {}}

    @property
    def is_needed(self) -> bool:
        return self._dates is not None or self._lacks_location or bool(self._barcodes) or bool(self._quantities)

    def add(self, cells: list[str]) -> None:
        if self._dates is not None:
            for field in self._date_fields:
                text = self._cell(cells, field)
                if text and (field != "lot" or is_like_date(text)):
                    self._dates.add(text)
        if self._lacks_location and not self._has_quantities and self._cell(cells, "quantity"):
            self._has_quantities = total_in(cells) is None and not (self._skips and self._skips(cells))
        if not self._has_decimal_commas:
            self._has_decimal_commas = any(has_decimal_comma(self._cell(cells, field)) for field in self._quantities)
        for field in self._barcodes:
            for entry in self._cell(cells, field).split(";"):
                text = entry.partition("*")[0].strip()
                if may_lack_zero(text):
                    whole = add_zero(text)
                    self._shortened[whole is not None].setdefault(text, whole or "")

    def _cell(self, cells: list[str], field: str) -> str:
        return self._sources[field].read(cells).strip()

    def _header(self, field: str) -> str:
        return self._sources[field].header or field

    def questions(self) -> list[Question]:
        found = []
        if self._has_quantities:
            found.append(
                Question(
                    option="location",
                    field="location",
                    message=(
                        f"{self._header('quantity')} holds quantities and no column holds a location; set the"
                        " location of all rows, as in location=Pantry"
                    ),
                )
            )
        if self._dates is not None and (question := self._dates.question(self._header(self._date_fields[0]))):
            found.append(question)
        confirmed, others = self._shortened[True], self._shortened[False]
        if confirmed and others and self._options.repair_barcodes is None:
            text, whole = next(iter(confirmed.items()))
            found.append(
                Question(
                    option="repair_barcodes",
                    field=self._barcodes[0],
                    columns=[self._header(field) for field in self._barcodes],
                    message=(
                        f"{text} may be {whole} without its leading zero, or a number of its own, as"
                        f" {next(iter(others))} is; set repair_barcodes=true or repair_barcodes=false"
                    ),
                    answers=[
                        Answer(options={"repair_barcodes": True}, sample=f"{text} is {whole}"),
                        Answer(options={"repair_barcodes": False}, sample=f"{text} is {text}"),
                    ],
                )
            )
        return found

    def reading(self) -> SurveyResult:
        return SurveyResult(
            dates=None if self._dates is None else self._dates.order(),
            adds_zeros=bool(self._shortened[True]) and not self._shortened[False],
            has_decimal_commas=self._has_decimal_commas,
        )


def ask_preset(preset: Preset) -> Question:
    """The question whether a file is what it looks like."""
    return Question(
        option="preset",
        message=(
            f"This looks like a file of {preset.title}; set preset={preset.name} to read it as one, or preset={NONE} to"
            " read its columns by their names"
        ),
        answers=[
            Answer(options={"preset": preset.name}, sample=preset.title),
            Answer(options={"preset": NONE}),
        ],
    )


def _ask_project(preset: Preset) -> Question:
    return Question(
        option="project",
        message=(
            f"The parts of a file of {preset.title} are what a project needs; set project_id to one, or project to the"
            " name of a new one"
        ),
    )


def read_start(file: Path, options: ImportOptions) -> tuple[Sheet, list[list[str]]]:
    """The closed sheet of a file, and the cells of its first rows. Raises Invalid for a file without a table."""
    sheet = open_sheet(file, options)
    rows: list[list[str]] = []
    try:
        # The job reports where the rest of the file is unreadable.
        with suppress(Invalid):
            rows.extend(row.cells for row in islice(sheet.rows(), SAMPLE_ROWS))
    finally:
        sheet.close()
    return sheet, rows
