"""Cells of custom fields: what a text means is known only with the field that the type of its item has."""

from __future__ import annotations

from msgspec import Struct

from stocky.catalogue.fields import FieldKind, ItemField, read_value
from stocky.imports.cell_values import Unreadable, decimal_of
from stocky.imports.dates import DateOrder, date_of


class FieldCell(Struct, frozen=True):
    """The text of a cell, with how its file writes numbers and dates."""

    text: str
    decimal: str | None
    point_may_group: bool
    dates: DateOrder | None

    def read(self, field: ItemField) -> str | None:
        """The value in the field, as it is stored. Raises Unreadable."""
        text = self.text
        if field.kind is FieldKind.NUMBER:
            text = decimal_of(text, self.decimal, point_may_group=self.point_may_group)
        elif field.kind is FieldKind.DATE:
            text = date_of(text, self.dates).isoformat()
        try:
            return read_value(field, text)
        except ValueError as error:
            raise Unreadable(f"{self.text[:60]!r} {error}") from None
