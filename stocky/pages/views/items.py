"""The list of items, with search as you type; the search box of every page also shows its block `results`."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, NamedTuple

from litestar import get
from litestar.params import Parameter, QueryParameter
from msgspec import Struct

from stocky.alerts.attention import count_attention
from stocky.alerts.schemas import AlertCause
from stocky.auth.guards import readers
from stocky.catalogue import location_repository, part_repository
from stocky.catalogue.repository import ItemFilter
from stocky.catalogue.schemas import Location
from stocky.db import Connection
from stocky.errors import Invalid
from stocky.http.parameters import After, field_filters
from stocky.http.request import StockyRequest, long_read
from stocky.names import name_key
from stocky.pages.choices import STORAGE_TYPES
from stocky.pages.done import done_with_items
from stocky.pages.field_inputs import list_filters
from stocky.pages.item_rows import ItemRow, of_found, of_stocked
from stocky.pages.pickers import pick_location
from stocky.pages.rendering import Html, page
from stocky.schema import FIELD_PREFIX, MAX_ID, StorageType
from stocky.search.repository import search
from stocky.search.schemas import MatchKind
from stocky.settings.repository import get_settings
from stocky.stock.item_stock import list_stocked_items

ROWS = 50
_LOCATIONS = 5
# At most this many earlier pages are in the address, to go back to.
_MOST_BACK = 40
_POSITION = re.compile(r"([0-9]{1,19})(?:\.([0-9]{8}))?")

Text = Annotated[str, Parameter(max_length=200)]
TypeId = Annotated[int | None, Parameter(ge=1, le=MAX_ID)]
_SLOW = ("storage_type", "needs_review", "type_id", "within", "tag", "hidden", "field")
# Forms send their empty fields.
_EMPTY = {"may_be_empty": ("storage_type", "needs_review", "type_id", "within", "cause", "hidden", "cursor_day")}


class _Position(NamedTuple):
    """The end of a page, after which the next one begins: an item, or in a list by expiry a SKU and its date."""

    after: int
    day: date | None = None

    @property
    def query(self) -> dict[str, Any]:
        """The parameters of the page that begins there."""
        return {"cursor": self.after, "cursor_day": self.day and self.day.isoformat()}

    def __str__(self) -> str:
        return str(self.after) if self.day is None else f"{self.after}.{self.day.isoformat().replace('-', '')}"


class _Found(Struct):
    """A page of the list; `next` and `previous` are the parameters of those pages, None where there is none.

    With `has_best` the first row is the one that the search clearly means, with `is_location` the first location. With
    `is_cut` the search finds more than its rows.
    """

    rows: list[ItemRow]
    is_similar: bool = False
    is_location: bool = False
    has_best: bool = False
    is_cut: bool = False
    next: dict[str, Any] | None = None
    previous: dict[str, Any] | None = None


@get("/items", opt=readers | long_read(*_SLOW) | _EMPTY)
async def show_items(
    request: StockyRequest,
    read: Connection,
    q: Text = "",
    cause: AlertCause | None = None,
    needs_review: bool | None = None,
    storage_type: StorageType | None = None,
    type_id: TypeId = None,
    type_id_text: Text = "",
    within: TypeId = None,
    within_text: Text = "",
    tag: Text = "",
    tag_text: Text = "",
    hidden: bool = False,
    after: After = 0,
    cursor_day: date | None = None,
    page_number: Annotated[int, QueryParameter(name="page", ge=1, le=10**6)] = 1,
    back: Annotated[str, Parameter(max_length=1000)] = "",
) -> Html:
    """The list, or the results of a search."""
    query, tag = q.strip(), (tag or tag_text).strip()
    # The position after which the page begins: the first page has none.
    cursor_day = cursor_day if after else None
    if type_id is None and type_id_text.strip():
        type_id = await part_repository.find_item_type(read, type_id_text)
    inputs, fields = await list_filters(read, type_id, field_filters(request))
    location = await _location(read, within, within_text)
    within = None if location is None else location.id
    wanted = ItemFilter(
        search=query or None,
        storage_type=storage_type,
        is_active=not hidden,
        needs_review=needs_review or None,
        type_id=type_id,
        tag=tag[:50] or None,
        after=after,
        after_day=cursor_day,
        cause=cause,
        within=within,
        fields=fields,
    )
    wrong: Invalid | None = None
    soon_days = (await get_settings(read)).expiring_soon_days
    locations = await _locations(read, query)
    if query and wanted == ItemFilter(search=query):
        found = _Found([])
        answers = await search(read, query, ROWS + 1)
        found.is_cut = len(answers) > ROWS
        found.rows = of_found(answers[:ROWS], soon_days)
        found.is_similar = bool(answers) and answers[0].match.kind == "similar"
        kinds = [each.match.kind for each in answers]
        named = sum(name_key(query) in (name_key(each.name), name_key(each.path)) for each in locations)
        found.is_location = named > 0 and kinds[:1] not in (["exact"], ["whole"])
        found.has_best = named == 1 if found.is_location else _has_best(kinds, len(locations))
    else:
        try:
            found = await _list(read, wanted, soon_days, page_number, back)
        except Invalid as error:
            if not (error.field or "").startswith(FIELD_PREFIX):
                raise
            wrong, found = error, _Found([])
    field_query = {f"{FIELD_PREFIX}{name}": text for name, text in fields}
    filters = {
        "q": query or None,
        "cause": cause and cause.value,
        "needs_review": "true" if needs_review else None,
        "storage_type": storage_type and storage_type.value,
        "type_id": type_id,
        "within": within,
        "tag": tag or None,
        "hidden": "true" if hidden else None,
        **field_query,
    }
    return page(
        request,
        "items.html",
        found=found,
        q=query,
        filters=filters,
        is_filtered=wanted != ItemFilter(search=wanted.search, after=after, after_day=cursor_day),
        fields=fields,
        field_query=field_query,
        field_inputs=inputs,
        wrong_field=None if wrong is None else (wrong.field, wrong.detail.removeprefix(f"{wrong.field}: ")),
        first=(page_number - 1) * ROWS + 1,
        soon_days=soon_days,
        locations=locations,
        counts={} if query else {each.name: each.count for each in await count_attention(read)},
        type_name=await _type_name(read, type_id),
        location=location,
        storage_types=STORAGE_TYPES,
        done=done_with_items(request),
    )


def _has_best(kinds: list[MatchKind], locations: int) -> bool:
    """Whether the first of these matches is clearly the one that is meant, with this number of locations found, too."""
    if not kinds or kinds[0] == "similar":
        return False
    if kinds[0] in ("exact", "whole"):
        return kinds[0] not in kinds[1:]
    return len(kinds) == 1 and not locations


async def _list(read: Connection, wanted: ItemFilter, soon_days: int, number: int, back: str) -> _Found:
    items = await list_stocked_items(read, wanted, skip=0, limit=ROWS + 1)
    found = _Found(of_stocked(items[:ROWS], soon_days))
    passed = [each for each in map(_read_position, back.split("-")) if each is not None]
    if len(items) > ROWS:
        last = items[ROWS - 1]
        position = (
            _Position(last.item.id)
            if last.expiring is None
            else _Position(last.expiring.sku_id, last.expiring.expiry_date)
        )
        earlier = "-".join(map(str, [*passed, _Position(wanted.after, wanted.after_day)][-_MOST_BACK:]))
        found.next = {**position.query, "page": number + 1, "back": earlier}
    if wanted.after:
        # The first page, where the way back is not known.
        position = passed[-1] if passed else _Position(0)
        is_first = not position.after or number < 3
        found.previous = (
            {} if is_first else {**position.query, "page": number - 1, "back": "-".join(map(str, passed[:-1])) or None}
        )
    return found


def _read_position(text: str) -> _Position | None:
    """What `str` made of a position; None for any other text."""
    if not (found := _POSITION.fullmatch(text)):
        return None
    try:
        return _Position(int(found[1]), date.fromisoformat(found[2]) if found[2] else None)
    except ValueError:
        return None


async def _locations(read: Connection, query: str) -> list[Location]:
    """The locations of this name or path, then those that contain the text: the search field finds them as well."""
    if len(query) < 2:
        return []
    named = await location_repository.list_locations_named(read, query)
    found = await location_repository.list_locations(read, skip=0, limit=_LOCATIONS, search=query)
    known = {each.id for each in named}
    return [*named, *(each for each in found if each.id not in known)][:_LOCATIONS]


async def _location(read: Connection, within: int | None, text: str) -> Location | None:
    """The location to show the items of, with all that is in it. Raises NotFound, and Invalid for a text of none."""
    typed = {"within": [] if within is None else [str(within)], "within_text": [text]}
    await pick_location(read, typed, "within")
    chosen = typed["within"]
    return await location_repository.get_location(read, int(chosen[0])) if chosen else None


async def _type_name(read: Connection, type_id: int | None) -> str:
    return "" if type_id is None else (await part_repository.get_item_type(read, type_id)).name


routes = [show_items]
