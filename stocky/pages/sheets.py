"""Which labels are printed on which sheet, by the address of the labels page; a cookie keeps the last sheet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct

from stocky.catalogue import location_repository as locations
from stocky.catalogue import repository as catalogue
from stocky.catalogue.schemas import Item, Location
from stocky.db import Connection
from stocky.pages import labels
from stocky.pages.labels import MOST_LABELS, SHEETS, Count, Label, Millimetres, Sheet
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


def title(sheet: Sheet) -> Text:
    """What a preset is called in the choice of sheets."""
    size = {"width": f"{sheet.label_width:.3g}", "height": f"{sheet.label_height:.3g}"}
    if sheet.per_page == 1:
        return _("Roll, labels of %(width)s x %(height)s mm", **size)
    paper = "A4" if sheet.width == A4_WIDTH else "US Letter"
    return _("%(paper)s, %(count)s labels of %(width)s x %(height)s mm", paper=paper, count=sheet.per_page, **size)


class OwnSheet(Struct, frozen=True, kw_only=True):
    """The sheet that was used last: a preset, or lengths of one's own."""

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

    def to_sheet(self) -> Sheet:
        """The preset, or the sheet of these lengths."""
        if self.sheet in SHEETS:
            return SHEETS[self.sheet]
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
    barcode: bool = False
    copies: Count = 1
    used: int = 0
    item_id: Id | None = None
    location_id: Id | None = None


class Chosen(Struct):
    """What is printed."""

    items: list[Item]
    locations: list[Location]

    def to_labels(self, form: LabelsForm, language: str) -> list[Label]:
        """Each label as often as wanted, copies side by side; the commands of scanners in a language."""
        wanted = [
            *(labels.item_label(item, with_barcode=form.barcode) for item in self.items),
            *(labels.location_label(location) for location in self.locations),
            *(_command_labels(language) if form.commands else ()),
        ]
        return [label for label in wanted for _ in range(form.copies)]


async def choose(read: Connection, form: LabelsForm) -> Chosen:
    """The items and locations of a form, in its order; those that do not exist are left out."""
    item_ids = ids_of(form.items, form.item_id)
    by_id = await catalogue.get_items(read, set(item_ids)) if item_ids else {}
    if form.locations == ALL:
        found = await locations.list_locations(read, skip=0, limit=MOST_LABELS)
    else:
        location_ids = ids_of(form.locations, form.location_id)
        known = await locations.get_locations(read, set(location_ids))
        found = [known[id] for id in location_ids if id in known]
    return Chosen([by_id[id] for id in item_ids if id in by_id], found)


def ids_of(text: str, added: int | None = None) -> list[int]:
    """The ids in a text like `3,1`, each once and in this order; what is no id is left out."""
    ids = [int(each) for each in text.split(",")[:MOST_LABELS] if each.strip().isdecimal() and len(each) < 17]
    return [id for id in dict.fromkeys([*ids, *([added] if added else [])]) if 0 < id <= MAX_ID]


def _command_labels(language: str) -> list[Label]:
    """The commands, in the words that the scan page has for them."""
    return [
        msgspec.structs.replace(
            label, heading=gettext(language, _HEADINGS[label.heading].message), text=gettext(language, _SCANNER.message)
        )
        for label in labels.command_labels()
    ]


async def draw(labels_to_print: list[Label], form: LabelsForm) -> list[Markup]:
    """The pages as SVG, whose texts are escaped. Raises Invalid."""
    return await asyncio.to_thread(_draw, labels_to_print, form.to_sheet(), form.used)


def _draw(labels_to_print: list[Label], sheet: Sheet, used: int) -> list[Markup]:
    from markupsafe import Markup

    pages = labels.lay_out(labels_to_print, sheet, used=used)
    return [Markup(labels.draw(each, outlines=True)) for each in pages]  # noqa: S704 - draw() escapes every text


def to_cookie(form: LabelsForm) -> str:
    """The sheet of a form, as the value of a cookie."""
    stored = OwnSheet(**{name: getattr(form, name) for name in OwnSheet.__struct_fields__})
    return quote(msgspec.json.encode(stored).decode(), safe="")


def from_cookie(value: str | None) -> dict[str, Any]:
    """The fields of the sheet that was used last; those of the first preset for a cookie that is none."""
    try:
        stored = msgspec.json.decode(unquote(value or ""), type=OwnSheet)
    except (msgspec.DecodeError, ValueError):
        stored = OwnSheet()
    return {
        name: f"{value:g}" if isinstance(value, float) else value
        for name, value in msgspec.structs.asdict(stored).items()
    }
