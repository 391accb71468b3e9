"""The form of an import's columns and options: `column-0` to `column-99` name the field of each column.

`answer-quantity` and the like are the numbers of the columns that answer a question, or `none`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from stocky.imports.drafts import DraftTable
from stocky.imports.questions import QuestionAsked
from stocky.pages.forms import Form
from stocky.pages.languages import Text, _

# The fields that a column can hold, in the words of the other forms.
FIELD_WORDS: dict[str, Text] = {
    "code": _("Code"),
    "name": _("Name"),
    "description": _("Description"),
    "barcode": _("Barcode"),
    "barcodes": _("Barcodes"),
    "storage_type": _("Kept in"),
    "min_quantity": _("Minimum"),
    "reorder_quantity": _("Bought in multiples of"),
    "oversell_policy": _("If more is taken than is in stock"),
    "manufacturer_code": _("Manufacturer's code"),
    "type": _("Type"),
    "tags": _("Tags"),
    "seller": _("Seller"),
    "seller_link": _("Link to the seller"),
    "location": _("Location"),
    "location_path": _("Path of the location"),
    "location_storage_type": _("Kind of storage of the location"),
    "location_kind": _("Place or person"),
    "box_no": _("Box number"),
    "loc_no": _("Slot number"),
    "quantity": _("Amount"),
    "unit": _("Unit"),
    "expiry_date": _("Expires"),
    "notes": _("Notes"),
    "lot": _("Lot"),
    "serial": _("Serial number"),
    "opened_on": _("Opened on"),
    "unit_price": _("Price"),
    "shelf_life_days": _("Keeps"),
    "opened_days": _("Keeps once opened"),
    "footprint": _("Footprint"),
    "references": _("Designators"),
}
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "shift-jis": "Shift-JIS",
}
NO_COLUMN = "none"
_BOXES = ("create_locations", "update_items")
# The questions of a survey in the words of the page; `messages.py` has their translations.
_ASKED = {
    "dates": "Choose the order of the dates: %(samples)s",
    "repair_barcodes": "Some barcodes may lack a leading zero: %(samples)s",
    "location": "No column holds a location; name the location of all rows",
    "project": "Choose the project that needs the parts, or name a new one",
}
_OPTIONS = (
    "key",
    "stock",
    "empty",
    "encoding",
    "delimiter",
    "header_row",
    "decimal",
    "dates",
    "location",
    "repair_barcodes",
    "preset",
    "import_key",
    "project",
    "project_id",
    "unmatched",
)


def shown_options(form: Form[Any]) -> dict[str, str]:
    """The options as the fields of the API's form; an unticked box is `false`."""
    given = {name: str(form.text(name)) for name in _OPTIONS}
    if given["project_id"]:
        # The name in the form is that of a new project.
        given["project"] = ""
    return given | {name: "true" if form.checked(name) else "false" for name in _BOXES}


class ColumnQuestion(msgspec.Struct):
    """A question about columns: its field of the form, its words, and what can be chosen."""

    name: str
    words: Text
    choices: list[tuple[str, str | Text, str]]


def column_questions(table: DraftTable) -> list[ColumnQuestion]:
    """The questions about the columns of a file."""
    indexes = {column.header: index for index, column in enumerate(table.columns)}
    found = []
    for question in table.questions:
        if question.field is not None:
            choices: list[tuple[str, str | Text, str]] = [
                (str(indexes[header]), header, ", ".join(table.columns[indexes[header]].samples))
                for header in question.columns
            ]
            words = _("Which column is “%(field)s”?", field=FIELD_WORDS.get(question.field, question.field))
            if question.is_optional:
                choices.append((NO_COLUMN, _("None of them"), ""))
            found.append(ColumnQuestion(f"answer-{question.field}", words, choices))
    return found


def require_answers(form: Form[Any], table: DraftTable) -> None:
    """Adds an error for each question without an answer, neither in its own field nor in that of a column.

    A column that identifies items is required anyway.
    """
    assigned = {form.text(f"column-{index}") for index in range(len(table.columns))}
    for question in table.questions:
        if question.is_optional and question.field not in assigned:
            form.require(f"answer-{question.field}")


def add_questions(form: Form[Any], asked: QuestionAsked) -> None:
    """Adds the questions that a survey of the whole file has, each beside the field that answers it."""
    form.refuse(asked)
    for question in asked.questions:
        samples = "; ".join(answer.sample for answer in question.answers)
        form.errors[question.option] = _ASKED.get(question.option, question.message) % {"samples": samples}


def columns_to_mapping(form: Form[Any], table: DraftTable) -> str:
    """The mapping as the field of the API's form; a column without a field is ignored."""
    fields = {column.header: form.text(f"column-{index}") or None for index, column in enumerate(table.columns)}
    for question in table.questions:
        answer = form.text(f"answer-{question.field}")
        for index, column in enumerate(table.columns):
            if answer == str(index):
                fields[column.header] = question.field
    return msgspec.json.encode(fields).decode()
