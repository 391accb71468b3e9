"""Reads what the page of an item shows: stock, loans, history, documents and merges."""

from __future__ import annotations

from typing import Any

from litestar import Request
from msgspec import Struct

from stocky.auth.schemas import Principal, Role
from stocky.catalogue.schemas import Item
from stocky.db import Connection
from stocky.documents.repository import list_item_documents
from stocky.documents.schemas import Document
from stocky.errors import NotFound
from stocky.lending.repository import list_loans
from stocky.merging.repository import list_merges
from stocky.pages.choices import OVERSELL_POLICIES
from stocky.pages.done import done_with_item
from stocky.pages.field_inputs import show_values
from stocky.pages.item_rows import expiry_remark, is_misplaced
from stocky.pages.rendering import Html, page
from stocky.pages.suggestions import shown_suggestions
from stocky.prices.repository import find_last_price
from stocky.prices.valuation import price_skus
from stocky.settings.repository import get_settings
from stocky.stock.emptied import emptied_before
from stocky.stock.event_lines import describe_events
from stocky.stock.item_stock import LocatedStock, get_stocked_items
from stocky.stock.repository import list_events

LINES = 10
_THUMBNAIL = 160
_MOST_DOCUMENTS = 200
_MOST_MERGES = 20
_MOST_LOANS = 50


class ShownStock(Struct, frozen=True):
    """A SKU with its most urgent remark."""

    sku: LocatedStock
    remark: str


class ShownDocument(Struct, frozen=True):
    """A document; a picture with the size of its thumbnail on the page."""

    document: Document
    width: int = 0
    height: int = 0


async def show(
    request: Request[Any, Any, Any], read: Connection, user: Principal, item_id: int, *, shows_booking: bool = False
) -> Html:
    """The page of an item. With `shows_booking` it includes the user's newest event. Raises NotFound.

    SKUs that are empty for long are shown if the query has `emptied`.
    """
    found = await get_stocked_items(read, [item_id])
    if not found:
        raise NotFound(f"There is no item with id {item_id}")
    item, settings = found[0].item, await get_settings(read)
    shows_emptied = "emptied" in request.query_params
    since = emptied_before(settings)
    # What a person has returned is not refilled there.
    stock = [sku for sku in found[0].stock if sku.quantity or not sku.is_lent]
    listed = [sku for sku in stock if sku.quantity or shows_emptied or sku.updated_at >= since]
    # A transfer has two events, so that it takes two for a line.
    events = (await list_events(read, item_id=item_id, limit=2 * LINES)).events
    lines = (await describe_events(read, events, of_item=item_id))[:LINES]
    can_change = user.user.role in (Role.ADMIN, Role.MEMBER)
    merges = await list_merges(read, item_id, skip=0, limit=_MOST_MERGES)
    source = request.query_params.get("source")
    return page(
        request,
        "item.html",
        item=item,
        # Empty SKUs come last: they are listed only so that they can be refilled.
        stock=[
            ShownStock(sku, _remark(item, sku, settings.expiring_soon_days))
            for sku in sorted(listed, key=lambda sku: not sku.quantity)
        ],
        shows_emptied=shows_emptied,
        emptied_count=len(stock) - len(listed),
        is_low=found[0].is_low,
        lines=lines,
        documents=[_shown(each) for each in await list_item_documents(read, item_id, skip=0, limit=_MOST_DOCUMENTS)],
        fields=await show_values(read, item),
        last_price=await find_last_price(read, item_id),
        prices=await price_skus(read, [item_id]),
        loans=await list_loans(read, item_id=item_id, skip=0, limit=_MOST_LOANS),
        merges=merges,
        # Its confirmation can undo it.
        just_merged=next((each for each in merges if each.undoable_until and str(each.source_id) == source), None),
        can_change=can_change and item.merged_into_id is None,
        policies={value: label for value, label, _ in OVERSELL_POLICIES},
        suggestions=await shown_suggestions(request, read, item_id) if can_change and item.is_active else None,
        booked=next((line for line in lines if line.event.user_id == user.id), None) if shows_booking else None,
        done=done_with_item(request),
    )


def _remark(item: Item, sku: LocatedStock, soon_days: int) -> str:
    if sku.quantity < 0:
        return "below_zero"
    if not sku.quantity:
        return ""
    if not sku.is_lent and is_misplaced(item.default_storage_type, sku.storage_type):
        return "wrong_location"
    return expiry_remark(sku.expiry_date, soon_days)


def _shown(document: Document) -> ShownDocument:
    if not document.width or not document.height:
        return ShownDocument(document)
    scale = min(1, _THUMBNAIL / max(document.width, document.height))
    return ShownDocument(document, max(1, round(document.width * scale)), max(1, round(document.height * scale)))
