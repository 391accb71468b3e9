"""Discarding an item scanned by mistake, from the review: its stock is removed and it is hidden, both or none."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, post
from msgspec import Meta, Struct

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue import repository as catalogue
from stocky.catalogue.schemas import ItemChange
from stocky.db import Database
from stocky.errors import Conflict
from stocky.http.parameters import PathId
from stocky.pages.forms import Form, read_form, read_values
from stocky.pages.refusals import checked, refused
from stocky.pages.rendering import Html, see_other
from stocky.stock import service
from stocky.stock.item_stock import get_stocked_items
from stocky.stock.recorder import Recorder


class Discarded(Struct):
    """What was booked when the item was discarded; None if it held nothing."""

    batch_id: Annotated[str, Meta(max_length=64)] | None = None


@post("/review/{item_id:int}/discard", opt=members)
async def discard(
    request: Request[Any, Any, Any], database: Database, recorder: Recorder, user: Principal, item_id: PathId
) -> Html:
    """Removes the stock of an item without a name, and hides it."""
    form: Form[Any] = Form(await read_values(request))
    batch: str | None = None
    with form.catching():
        async with database.transaction() as tx:
            await catalogue.lock_items(tx, {item_id})
            item = await catalogue.get_item(tx, item_id)
            if not (item.needs_review and item.is_active):
                raise Conflict("It has a name by now, or is hidden already")
            stocked = await get_stocked_items(tx, [item_id])
            held = [each.sku_id for each in stocked[0].stock if each.quantity]
            if held:
                batch = await service.empty_skus_within(tx, recorder, held, "scanned by mistake", user)
            await catalogue.remove_item(tx, item_id, user)
    if form.errors and (refusal := refused(request, form)) is not None:
        return refusal
    if form.errors:
        raise Conflict(form.general_error)
    return see_other(request, "/review", done="discarded", item=item_id, batch=batch, skip=form.text("skip") or None)


@post("/review/{item_id:int}/keep", opt=members)
async def keep(
    request: Request[Any, Any, Any], database: Database, recorder: Recorder, user: Principal, item_id: PathId
) -> Html:
    """Undoes a discard: the item is in the review again, with its stock."""
    data = checked(await read_form(request, Discarded))
    async with database.transaction() as tx:
        await catalogue.change_item(tx, item_id, ItemChange(is_active=True), user)
        if data.batch_id:
            await service.undo_batch_within(tx, recorder, data.batch_id, user)
    return see_other(request, "/review", done="shown")


routes = [discard, keep]
