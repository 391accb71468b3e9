"""The labels to print and their sheet, from the address of the labels page; a cookie stores the last sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, unquote

import msgspec
from msgspec import Meta, Struct

from stocky.catalogue import location_repository as locations
from stocky.catalogue import repository as catalogue
from stocky.catalogue.schemas import Item, Location
from stocky.db import Connection
from stocky.labels import layout as labels
from stocky.labels.drawing import in_turn
from stocky.labels.layout import MOST_LABELS, SHEETS, Count, Label, Millimetres, Sheet
from stocky.labels.schemas import NewSheet, SheetName
from stocky.pages.languages import Text, _, gettext
from stocky.schema import MAX_ID, Id

if TYPE_CHECKING:
    from markupsafe import Markup

COOKIE = "stocky_sheet"
ALL = "all"
FIRST = "a4-3x8"
A4_WIDTH = 210


_SCANNER = _("Scanner")
_HEADINGS = {
    "Add": _("Add"),
    "Remove": _("Take"),
    "Move": _("Move"),
    "Lookup": _("Look up"),
    "Count": _("Count"),
    "No location": _("No location"),
    "Undo": _("Undo"),
}
_NEXT_SCAN = _("Next scan")


def title(sheet: Sheet) -> Text:
    """The name of a preset in the choice of sheets."""
    size = {"width": f"{sheet.label_width:.3g}", "height": f"{sheet.label_height:.3g}"}
    if sheet.per_page == 1:
        return _("Roll, labels of %(width)s x %(height)s mm", **size)
    paper = "A4" if sheet.width == A4_WIDTH else "US Letter"
    return _("%(paper)s, %(count)s labels of %(width)s x %(height)s mm", paper=paper, count=sheet.per_page, **size)


def stored_title(name: str, sheet: Sheet) -> Text:
    """The name of a kept sheet in the choice of sheets."""
    size = {"width": f"{sheet.label_width:.3g}", "height": f"{sheet.label_height:.3g}"}
    return _("%(name)s, %(width)s x %(height)s mm", name=name, **size)


class OwnSheet(Struct, frozen=True, kw_only=True):
    """The sheet that was used last: a preset, or custom lengths."""

    sheet: str = FIRST
    width: Millimetres = 210
    height: Millimetres = 297
    columns: Count = 3
    rows: Count = 8
    label_width: Millimetres = 70
    label_height: Millimetres = 37
    left: Millimetres = 0
    top: Millimetres = 0.5
    gap_x: Millimetres = 0
    gap_y: Millimetres = 0

    def to_sheet(self, stored: Mapping[str, Sheet]) -> Sheet:
        """The preset, the kept sheet of this name, or the sheet of these lengths."""
        if self.sheet in SHEETS:
            return SHEETS[self.sheet]
        if self.sheet in stored:
            return stored[self.sheet]
        return Sheet(
            width=self.width,
            height=self.height,
            columns=self.columns,
            rows=self.rows,
            label_width=self.label_width,
            label_height=self.label_height,
            left=self.left,
            top=self.top,
            gap_x=self.gap_x,
            gap_y=self.gap_y,
        )


class LabelsForm(OwnSheet, frozen=True, kw_only=True):
    """The query of the page. `items` and `locations` are ids with commas between them; `locations` may be `all`."""

    items: str = ""
    locations: str = ""
    commands: bool = False
    counts: bool = False
    barcode: bool = False
    copies: Count = 1
    used: int = 0
    item_id: Id | None = None
    location_id: Id | None = None
    format: Literal["", "svg", "pdf"] = ""
    page: Annotated[int, Meta(ge=1, le=MOST_LABELS)] = 1


class SheetToKeep(NewSheet, kw_only=True):
    """The form that keeps a sheet."""

    name: SheetName

    def to_new(self) -> NewSheet:
        return NewSheet(**{name: getattr(self, name) for name in NewSheet.__struct_fields__})


class Chosen(Struct):
    """The labels to print."""

    items: list[Item]
    locations: list[Location]

    def to_labels(self, form: LabelsForm, language: str) -> list[Label]:
        """Each label as often as wanted, copies side by side; the commands of scanners in a language."""
        wanted = [
            *(labels.item_label(item, with_barcode=form.barcode) for item in self.items),
            *(labels.location_label(location) for location in self.locations),
            *(_command_labels(language) if form.commands else ()),
            *(_count_labels(language) if form.counts else ()),
        ]
        return [label for label in wanted for _ in range(form.copies)]


async def choose(read: Connection, form: LabelsForm) -> Chosen:
    """The items and locations of a form, in its order; those that do not exist are left out."""
    item_ids = ids_of(form.items, form.item_id)
    by_id = await catalogue.get_items(read, set(item_ids)) if item_ids else {}
    if form.locations == ALL:
        # One more than are printed at once, so that a larger number is refused.
        found = await locations.list_locations(read, skip=0, limit=MOST_LABELS + 1)
    else:
        location_ids = ids_of(form.locations, form.location_id)
        known = await locations.get_locations(read, set(location_ids))
        found = [known[id] for id in location_ids if id in known]
    return Chosen([by_id[id] for id in item_ids if id in by_id], found)


def ids_of(text: str, added: int | None = None) -> list[int]:
    """The ids in a text like `3,1`, each once and in this order; other parts are ignored."""
    ids = [int(each) for each in text.split(",")[:MOST_LABELS] if each.strip().isdecimal() and len(each) < 17]
    return [id for id in dict.fromkeys([*ids, *([added] if added else [])]) if 0 < id <= MAX_ID]


def _command_labels(language: str) -> list[Label]:
    """The commands, named as on the scan page."""
    return [
        msgspec.structs.replace(
            label, heading=gettext(language, _HEADINGS[label.heading].message), text=gettext(language, _SCANNER.message)
        )
        for label in labels.command_labels()
    ]


def _count_labels(language: str) -> list[Label]:
    text = gettext(language, _NEXT_SCAN.message)
    return [msgspec.structs.replace(label, text=text) for label in labels.count_labels()]


async def draw(labels_to_print: list[Label], sheet: Sheet, used: int) -> list[Markup]:
    """The pages as SVG, whose texts are escaped. Raises Invalid, Unavailable."""
    return await in_turn(_draw, labels_to_print, sheet, used)


def _draw(labels_to_print: list[Label], sheet: Sheet, used: int) -> list[Markup]:
    from markupsafe import Markup

    pages = labels.lay_out(labels_to_print, sheet, used=used)
    return [Markup(labels.draw(each, outlines=True)) for each in pages]  # noqa: S704 - draw() escapes texts; the rest is numbers


def to_cookie(form: LabelsForm) -> str:
    """The sheet of a form, as the value of a cookie."""
    stored = OwnSheet(**{name: getattr(form, name) for name in OwnSheet.__struct_fields__})
    return quote(msgspec.json.encode(stored).decode(), safe="")


def from_cookie(value: str | None) -> dict[str, Any]:
    """The fields of the sheet that was used last; those of the first preset for an invalid cookie."""
    try:
        stored = msgspec.json.decode(unquote(value or ""), type=OwnSheet)
    except (msgspec.DecodeError, ValueError):
        stored = OwnSheet()
    return {
        name: f"{value:g}" if isinstance(value, float) else value
        for name, value in msgspec.structs.asdict(stored).items()
    }
