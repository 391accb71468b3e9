"""Requests and responses for the sheets of labels that an installation keeps."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from stocky.labels.layout import SHEETS, Count, Millimetres, Sheet

SheetName = Annotated[
    str,
    Meta(min_length=1, max_length=60, pattern=r"^\S(.*\S)?$", description="Its name", examples=["Shelf 40 x 20"]),
]


class NewSheet(Struct, kw_only=True):
    """A sheet to keep: the paper and its labels, in millimetres. `left` and `top` are the first label's place."""

    width: Millimetres
    height: Millimetres
    columns: Count
    rows: Count
    label_width: Millimetres
    label_height: Millimetres
    left: Millimetres = 0
    top: Millimetres = 0
    gap_x: Millimetres = 0
    gap_y: Millimetres = 0

    def to_sheet(self) -> Sheet:
        return Sheet(**{name: getattr(self, name) for name in NewSheet.__struct_fields__})


class NamedSheet(NewSheet, kw_only=True):
    """A sheet by its name; a preset cannot be changed."""

    name: SheetName
    is_preset: bool


def presets() -> list[NamedSheet]:
    """The sheets that Stocky knows itself."""
    return [
        NamedSheet(
            name=name,
            is_preset=True,
            **{field: round(getattr(sheet, field), 3) for field in NewSheet.__struct_fields__},
        )
        for name, sheet in SHEETS.items()
    ]
