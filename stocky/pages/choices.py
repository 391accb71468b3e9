"""The words for the values that forms let people choose from, in the order of the API."""

from __future__ import annotations

from stocky.pages.languages import Text, _

STORAGE_TYPES: list[tuple[str, Text]] = [
    ("pantry", _("Pantry")),
    ("refrigerator", _("Fridge")),
    ("freezer", _("Freezer")),
    ("counter", _("Counter")),
    ("garage", _("Garage")),
    ("other", _("Other")),
]

SCAN_MODES: dict[str, Text] = {
    "add": _("Add"),
    "remove": _("Take"),
    "move": _("Move"),
    "count": _("Count"),
    "lookup": _("Look up"),
}

FIELD_KINDS: dict[str, Text] = {
    "text": _("Text"),
    "number": _("Number"),
    "choice": _("One of several"),
    "date": _("Date"),
}

OVERSELL_POLICIES: list[tuple[str, Text, Text]] = [
    ("reject", _("Refuse it"), _("No more can be taken than is in stock.")),
    ("clamp", _("Take what is in stock"), _("The stock then is 0.")),
    ("allow", _("Let it go below zero"), _("For items that are counted later.")),
]
