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

OVERSELL_POLICIES: list[tuple[str, Text, Text]] = [
    ("reject", _("Refuse it"), _("One cannot take more than there is.")),
    ("clamp", _("Take what is in stock"), _("The stock then is 0.")),
    ("allow", _("Let it go below zero"), _("For things that are counted later.")),
]
