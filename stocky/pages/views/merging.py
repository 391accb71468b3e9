"""Merging one item into another and undoing it, and the review of scanned items without a name, one by one."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.datastructures import State
from litestar.params import Parameter
from msgspec import Meta, Struct

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue import repository as catalogue
from stocky.catalogue.schemas import ItemChange, Name
from stocky.db import Connection, Database
from stocky.errors import Conflict
from stocky.http.parameters import PathId
from stocky.lookup.service import Lookups
from stocky.merging.repository import find_stub, list_same_barcodes, list_stubs
from stocky.merging.schemas import Stub
from stocky.merging.service import Merging
from stocky.pages.choices import STORAGE_TYPES
from stocky.pages.done import done_with_item
from stocky.pages.forms import Form, filled, read_form, read_values
from stocky.pages.refusals import refused
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.suggestions import shown_suggestions
from stocky.pages.typed import find_item
from stocky.quantity import Quantity, to_milli
from stocky.schema import StorageType
from stocky.stock.item_stock import get_stocked_items

# The items to review are counted up to here.
_MOST_COUNTED = 100
Skip = Annotated[int, Parameter(ge=0, le=10**6)]


class Naming(Struct, kw_only=True):
    """The name and the fields that a stub gets; `version` is the one that the page showed."""

    name: Name
    version: Annotated[int, Meta(ge=1)]
    default_storage_type: StorageType = StorageType.PANTRY
    min_quantity: Quantity | None = None

    def __post_init__(self) -> None:
        if self.min_quantity is not None:
            to_milli(self.min_quantity, "min_quantity")


@get("/items/{item_id:int}/merge", opt=members)
async def show_merge(request: Request[Any, Any, Any], read: Connection, item_id: PathId) -> Html:
    """The effects of a merge, and the form for the item to merge into."""
    return page(request, "item-merge.html", item=await catalogue.get_item(read, item_id), form=Form())


@post("/items/{item_id:int}/merge", opt=members)
async def merge(
    request: Request[Any, Any, Any], database: Database, merging: Merging, user: Principal, item_id: PathId
) -> Html:
    """Merges the item into another one."""
    form: Form[Any] = Form(await read_values(request))
    target_id = 0
    with form.catching():
        async with database.read() as read:
            target_id = (await find_item(read, form, "into")).id
        await merging.merge_items(item_id, target_id, user)
    if not form.errors:
        if form.text("back") == "review":
            return see_other(request, "/review", done="merged", item=item_id, skip=form.text("skip"))
        return see_other(request, f"/items/{target_id}", done="merged", source=item_id)
    if (refusal := refused(request, form)) is not None:
        return refusal
    async with database.read() as read:
        item = await catalogue.get_item(read, item_id)
    return page(request, "item-merge.html", form.status, item=item, form=form)


@post("/items/{item_id:int}/unmerge", opt=members)
async def unmerge(request: Request[Any, Any, Any], merging: Merging, user: Principal, item_id: PathId) -> Html:
    """Undoes a merge."""
    await merging.undo_merge(item_id, user)
    if (await read_values(request)).get("back") == ["review"]:
        return see_other(request, "/review", done="unmerged")
    return see_other(request, f"/items/{item_id}", done="unmerged")


@get("/review", opt=members)
async def show_review(request: Request[Any, Any, Any], read: Connection, skip: Skip = 0) -> Html:
    """The next item without a name."""
    return await _review_page(request, read, skip)


@post("/review/{item_id:int}", opt=members)
async def name_item(request: Request[Any, Any, Any], database: Database, user: Principal, item_id: PathId) -> Html:
    """Names a stub, which ends its review."""
    form = await read_form(request, Naming)
    typed = str(form.text("skip", "0"))
    skip = int(typed[:6]) if typed.isascii() and typed.isdigit() else 0
    if not form.errors:
        data = form.data
        change = ItemChange(
            name=data.name, default_storage_type=data.default_storage_type, min_quantity=data.min_quantity
        )
        with form.catching():
            async with database.transaction() as tx:
                await catalogue.change_item(tx, item_id, change, user, if_versions=[data.version])
    if not form.errors:
        return see_other(request, "/review", done="named", item=item_id, skip=skip or None)
    if form.has_data:
        # The page shows the item as it is now; after an error in a field it still has to match what was shown before.
        form.values.pop("version")
    async with database.read() as read:
        return await _review_page(request, read, skip, item_id, form)


@post("/review/look-up", opt=members)
async def look_up_all(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """Starts the job that looks up every item without product data."""
    lookups: Lookups = state.lookups
    await lookups.refresh_missing(user)
    return see_other(request, "/review", done="looking-up")


async def _review_page(
    request: Request[Any, Any, Any],
    read: Connection,
    skip: int,
    item_id: int | None = None,
    form: Form[Any] | None = None,
) -> Html:
    """The next item; with a form that has errors, the item of the form while it is in the review."""
    stubs = await list_stubs(read, skip=skip, limit=_MOST_COUNTED + 1)
    if not stubs and skip:
        stubs, skip = await list_stubs(read, skip=0, limit=_MOST_COUNTED + 1), 0
    stub = None if item_id is None else await find_stub(read, item_id)
    if stub is None or form is None:
        # What was typed for an item that is no longer in the review is not for the next one.
        stub = stubs[0] if stubs else None
        form = _form_of(stub)
        if item_id is not None:
            name = (await catalogue.get_item(read, item_id)).name
            form.refuse(Conflict(f"{name} was named, merged or hidden in the meantime; nothing was changed"))
    is_known = stub is not None and not catalogue.is_unnamed(stub.item)
    stocked = [] if stub is None else await get_stocked_items(read, [stub.item.id])
    done_id = request.query_params.get("item", "")
    is_id = done_id.isascii() and done_id.isdigit()
    done_item = await catalogue.get_item(read, int(done_id[:15])) if is_id else None
    is_discarded = request.query_params.get("done") == "discarded" and done_item and not done_item.is_active
    return page(
        request,
        "review.html",
        form.status,
        stub=stub,
        is_known=is_known,
        suggestions=await shown_suggestions(request, read, None if stub is None else stub.item.id, of_all=True),
        same_barcodes=await list_same_barcodes(read, skip=0, limit=_MOST_COUNTED),
        stock=stocked[0].stock if stocked else [],
        count=min(skip + len(stubs), _MOST_COUNTED),
        is_more=skip + len(stubs) > _MOST_COUNTED,
        has_next=len(stubs) > 1,
        skip=skip,
        form=form,
        storage_types=STORAGE_TYPES,
        done=done_with_item(request),
        done_item=done_item,
        discarded=done_item if is_discarded else None,
        batch=request.query_params.get("batch", "")[:64],
    )


def _form_of(stub: Stub | None) -> Form[Any]:
    """The fields of an item that has a name already, such as one that was hidden; else empty ones."""
    if stub is None or stub.item.name.startswith(catalogue.UNNAMED):
        return Form()
    return filled(
        {
            "name": stub.item.name,
            "default_storage_type": stub.item.default_storage_type.value,
            "min_quantity": stub.item.min_quantity,
        }
    )


routes = [show_merge, merge, unmerge, show_review, name_item, look_up_all]
