"""The form of an import's columns and options: `column-0` to `column-99` name the field of each column."""

from __future__ import annotations

from typing import Any

import msgspec

from stocky.imports.drafts import DraftTable
from stocky.pages.forms import Form

_OPTIONS = ("key", "stock", "empty", "encoding", "delimiter", "decimal", "import_key")


def shown_options(form: Form[Any]) -> dict[str, str]:
    """The options as the API's form has them; an unticked box is `false`."""
    given = {name: str(form.text(name)) for name in _OPTIONS}
    return {**given, "create_locations": "true" if form.checked("create_locations") else "false"}


def columns_to_mapping(form: Form[Any], table: DraftTable) -> str:
    """The mapping as the API's form has it; a column without a field is ignored."""
    fields = {column.header: form.text(f"column-{index}") or None for index, column in enumerate(table.columns)}
    return msgspec.json.encode(fields).decode()
