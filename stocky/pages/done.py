"""Confirmations that a page shows after a form was sent: the texts for the parameters of its address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Request
from msgspec import Struct

from stocky.pages.languages import Text, _, plural

_MOST = 10**6

_ITEMS: dict[str, Callable[[int], Text]] = {
    "moved": lambda count: plural("%(num)s item is moved", "%(num)s items are moved", count),
    "tagged": lambda count: plural("%(num)s item has the tag", "%(num)s items have the tag", count),
    "untagged": lambda count: plural("The tag is off %(num)s item", "The tag is off %(num)s items", count),
    "typed": lambda count: plural("%(num)s item has the type", "%(num)s items have the type", count),
    "listed": lambda count: plural("%(num)s item is on the list", "%(num)s items are on the list", count),
    "hidden": lambda count: plural("%(num)s item is hidden", "%(num)s items are hidden", count),
    "shown": lambda count: plural("%(num)s item is shown again", "%(num)s items are shown again", count),
    "undone": lambda count: plural(
        "The change of %(num)s item is undone", "The changes of %(num)s items are undone", count
    ),
}

_ITEM: dict[str, Text] = {
    "saved": _("Saved"),
    "added": _("The item is added"),
    "hidden": _("The item is hidden. Its history stays."),
    "shown": _("The item is shown again"),
    "listed": _("It is on the list"),
    "stocked": _("The stock is booked"),
    "undone": _("Undone"),
    "returned": _("The return is booked"),
    "barcode": _("The barcode is added"),
    "no-barcode": _("The barcode is removed"),
    "document": _("The file is added"),
    "link": _("The link is added"),
    "no-document": _("It is deleted"),
    "picture": _("This is the picture of the item now"),
    "merged": _("The items are merged"),
    "unmerged": _("The merge is undone"),
    "looked-up": _("The product was looked up"),
    "looking-up": _("Looking up products in the background"),
    "named": _("The item has its name"),
    "new-tag": _("The tag is added"),
    "tag": _("The tag is changed"),
    "no-tag": _("The tag is deleted"),
    "new-type": _("The type is added"),
    "type": _("The type is changed"),
    "no-type": _("The type is deleted"),
    "new-field": _("The field is added"),
    "field": _("The field is changed"),
    "no-field": _("The field is deleted"),
    "combined": _("They are one now"),
    "asked": _("The model is being asked"),
    "accepted": _("The suggestion is accepted"),
    "fetching": _("The datasheet is being fetched"),
    "rejected": _("It is not suggested again"),
    "new-price": _("The price is recorded"),
    "no-price": _("The price is deleted"),
}


class Done(Struct, frozen=True):
    """What was done, and the way to undo it: the path of a form with these hidden fields."""

    text: Text
    undo: str = ""
    fields: dict[str, str] = {}


def done_with_items(request: Request[Any, Any, Any]) -> Done | None:
    """What was done with the selected items."""
    query = request.query_params
    text = _ITEMS.get(query.get("done", ""))
    count = query.get("count", "")
    if text is None or not (count.isascii() and count.isdigit()):
        return None
    batch = query.get("batch", "")
    if batch:
        return Done(text(min(int(count[:7]), _MOST)), "/items/undo", {"batch_id": batch[:64]})
    return Done(text(min(int(count[:7]), _MOST)))


def done_with_item(request: Request[Any, Any, Any]) -> Text | None:
    """What was done with one item or word."""
    return _ITEM.get(request.query_params.get("done", ""))
