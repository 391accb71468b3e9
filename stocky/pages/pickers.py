"""The choice of a picker: the id that the script set, otherwise the typed text, which must name exactly one thing."""

from __future__ import annotations

from typing import Any

from litestar import Request

from stocky.catalogue import location_repository
from stocky.catalogue import repository as catalogue
from stocky.catalogue.schemas import LONGEST_PATH, Item, Location
from stocky.db import Connection, Database
from stocky.errors import Conflict, Invalid, NotFound
from stocky.pages.forms import read_values
from stocky.schema import LocationKind
from stocky.search import repository as items

# Items that a picker shows, and locations, of which most installations have fewer.
SHOWN = 12
SHOWN_LOCATIONS = 50

Typed = dict[str, list[str]]


async def pick_item(read: Connection, typed: Typed, name: str = "item_id", *, required: bool = True) -> None:
    """Sets `name` to the id of the item whose code, barcode or name was typed. Raises Invalid when there is none."""
    text = _text_to_find(typed, name)
    if text:
        exact = [each for each in await items.search(read, text, SHOWN) if _is_meant(each, text)]
        if len(exact) == 1:
            typed[name] = [str(exact[0].id)]
        elif required:
            raise Invalid(f"There is no item {text[:100]!r}; type its whole name, its code or a barcode", field=name)


async def read_item_or_words(request: Request[Any, Any, Any], database: Database) -> Typed:
    """The form in the body: with `item_id` if it names an item, else with the typed words as `text`."""
    typed = await read_values(request)
    async with database.read() as read:
        await pick_item(read, typed, required=False)
    if any(typed.get("item_id", [])):
        return typed
    return {**typed, "item_id": [""], "text": [typed.get("item_id_text", [""])[-1]]}


async def pick_location(
    read: Connection,
    typed: Typed,
    name: str = "location_id",
    kind: LocationKind | None = None,
    *,
    may_add: bool = False,
) -> None:
    """Sets `name` to the id of the location whose name or path was typed. Raises Invalid when it is not one.

    With a `kind`, a part of a name finds only locations of it. `may_add`: the picker suggests to add it.
    """
    text = _text_to_find(typed, name)
    if text:
        try:
            found = await location_repository.get_location_by_name(read, text)
        except Conflict as ambiguous:
            raise Invalid(ambiguous.detail, field=name) from None
        except NotFound:
            near = await location_repository.list_locations(read, skip=0, limit=2, search=text, kind=kind)
            if len(near) != 1:
                raise Invalid(_no_location(text[:100], kind, may_add=may_add), field=name) from None
            found = near[0]
        typed[name] = [str(found.id)]


async def find_items(read: Connection, text: str) -> list[Item]:
    """The answers of an item picker, best first; without text the first items."""
    if not text:
        return await catalogue.list_items(read, catalogue.ItemFilter(), skip=0, limit=SHOWN)
    return list(await items.search(read, text, SHOWN))


async def find_locations(read: Connection, text: str) -> list[Location]:
    """The answers of a location picker, best first; persons only for a text that names them."""
    return await _find_locations(read, text, None if text else LocationKind.PLACE)


async def find_persons(read: Connection, text: str) -> list[Location]:
    """The answers of a picker of persons, best first."""
    return await _find_locations(read, text, LocationKind.PERSON)


async def _find_locations(read: Connection, text: str, kind: LocationKind | None) -> list[Location]:
    found = await location_repository.suggest_locations(read, text or None, limit=SHOWN_LOCATIONS, kind=kind)
    # Names that begin with the text come first; the sort is stable.
    return sorted(found, key=lambda each: (each.loc_no is not None, not _begins(each, text)))


def _begins(location: Location, text: str) -> bool:
    return bool(text) and location.name.casefold().startswith(text.casefold())


def _no_location(text: str, kind: LocationKind | None, *, may_add: bool) -> str:
    if may_add:
        what = "person" if kind is LocationKind.PERSON else "location"
        return f"There is no {what} {text!r} yet; to add it, choose that in the list of suggestions"
    return f"There is no location {text!r}; type its whole name or path"


def _text_to_find(typed: Typed, name: str) -> str:
    """The typed text, unless an answer was chosen."""
    if any(each.strip() for each in typed.get(name, [])):
        return ""
    texts = typed.get(f"{name}_text", [])
    return texts[-1].strip()[:LONGEST_PATH] if texts else ""


def _is_meant(item: Item, text: str) -> bool:
    bare = text.lower()
    return bare in (item.name.lower(), item.code.lower()) or any(each.barcode == text for each in item.barcodes)
