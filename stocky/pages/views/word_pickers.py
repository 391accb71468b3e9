"""The answers of pickers of words, for scripts only: types, tags and sellers that contain the typed text."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from stocky.auth.guards import members, readers
from stocky.catalogue import part_repository
from stocky.catalogue.repository import like_pattern
from stocky.db import Connection
from stocky.names import name_key
from stocky.pages.languages import Text, plural
from stocky.pages.problems import FOR_SCRIPTS
from stocky.pages.rendering import Html, page

_MOST = 12
Typed = Annotated[str, Parameter(max_length=200)]
_readers = {**readers, FOR_SCRIPTS: True}
_members = {**members, FOR_SCRIPTS: True}


class _Option(Struct, frozen=True):
    """One choice, and how many items have it."""

    value: int | str
    text: str
    detail: Text


@get("/pick/types", opt=_readers)
async def pick_types(request: Request[Any, Any, Any], read: Connection, q: Typed = "") -> Html:
    """Types of items."""
    found = await part_repository.list_item_types(read, skip=0, limit=_MOST, pattern=_pattern(q))
    options = [_Option(each.id, each.name, _items(each.item_count)) for each in found]
    return page(request, "word-options.html", options=options)


@get("/pick/tags", opt=_readers)
async def pick_tags(request: Request[Any, Any, Any], read: Connection, q: Typed = "") -> Html:
    """Tags, whose value is their name."""
    found = await part_repository.list_tags(read, skip=0, limit=_MOST, pattern=_pattern(q))
    options = [_Option(each.name, each.name, _items(each.item_count)) for each in found]
    return page(request, "word-options.html", options=options)


@get("/pick/sellers", opt=_members)
async def pick_sellers(request: Request[Any, Any, Any], read: Connection, q: Typed = "") -> Html:
    """Sellers, whose value is their name."""
    found = await part_repository.list_sellers(read, skip=0, limit=_MOST, pattern=like_pattern(q))
    options = [_Option(each.name, each.name, _items(each.item_count)) for each in found]
    return page(request, "word-options.html", options=options)


def _items(count: int) -> Text:
    return plural("%(num)s item", "%(num)s items", count)


def _pattern(typed: str) -> str | None:
    return like_pattern(name_key(typed))


routes = [pick_types, pick_tags, pick_sellers]
