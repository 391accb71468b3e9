"""Actions on the selected items: on all of them or none; the address of the question has their ids."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Request, get, post
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue import repository as catalogue
from stocky.catalogue.schemas import ItemChange, Name, TagName
from stocky.db import Connection, Database
from stocky.errors import Invalid
from stocky.pages.forms import Form, parse_form, read_form, read_values
from stocky.pages.lists import add_items_to_list
from stocky.pages.refusals import checked, refused
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.typed import find_location, find_type
from stocky.schema import MAX_ID, Id
from stocky.shopping.repository import list_lists
from stocky.stock import service
from stocky.stock.item_stock import get_stocked_items
from stocky.stock.recorder import Recorder

# The page has fewer rows.
_MOST = 200
_MOST_LISTS = 100
_DONE = {"move": "moved", "tag": "tagged", "untag": "untagged", "type": "typed", "list": "listed", "hide": "hidden"}

Action = Literal["move", "tag", "untag", "type", "list", "hide", "show"]
Ids = Annotated[list[Id], Meta(max_length=_MOST)]


class Selection(Struct, kw_only=True):
    """The selected items, and the action."""

    id: Ids = []
    action: Literal["move", "tag", "type", "label", "list", "hide"] = "move"


class Chosen(Struct, kw_only=True):
    """The items, and the fields of the action."""

    id: Ids
    tag: TagName | None = None
    tag_text: TagName | None = None
    list_id: Id | None = None
    name: Name | None = None


class Batch(Struct):
    """The batch of an action."""

    batch_id: Annotated[str, Meta(min_length=1, max_length=64)]


@post("/items/selected", opt=members)
async def select(request: Request[Any, Any, Any]) -> Html:
    """Redirects to the question for the action, or to the labels."""
    data = checked(await read_form(request, Selection))
    if not data.id:
        return see_other(request, "/items", done="none")
    if data.action == "label":
        return see_other(request, "/labels", items=data.id)
    return see_other(request, "/items/selected", action=data.action, id=data.id)


@get("/items/selected", opt=members)
async def show_selected(
    request: Request[Any, Any, Any],
    read: Connection,
    user: Principal,
    action: Action = "move",
    ids: Annotated[list[int] | None, QueryParameter(name="id", max_items=_MOST)] = None,
) -> Html:
    """The form of the action, and the items it applies to."""
    wanted = [each for each in ids or [] if 1 <= each <= MAX_ID]
    return await _page(request, read, user, action, wanted, Form())


@post("/items/selected/{action:str}", opt=members)
async def act(
    request: Request[Any, Any, Any], database: Database, recorder: Recorder, user: Principal, action: str
) -> Html:
    """Applies the action to all items, or to none."""
    if action not in (*_DONE, "show"):
        raise Invalid("There is no such action", field="action")
    form = parse_form(await read_values(request), Chosen)
    batch: str | None = None
    count = 0
    if not form.errors:
        with form.catching():
            if action == "move":
                count, batch = await _move(database, recorder, form, user)
            else:
                count = len(set(form.data.id))
                async with database.transaction() as tx:
                    await _change(tx, action, form, user)
    if not form.errors:
        return see_other(request, "/items", done=_DONE.get(action, "shown"), count=count, batch=batch)
    if (refusal := refused(request, form)) is not None:
        return refusal
    ids = [int(each) for each in form.texts("id")[:_MOST] if each.isascii() and each.isdigit() and len(each) < 17]
    async with database.read() as read:
        return await _page(request, read, user, action, ids, form)


@post("/items/undo", opt=members)
async def undo_batch(request: Request[Any, Any, Any], recorder: Recorder, user: Principal) -> Html:
    """Undoes the batch of an action."""
    data = checked(await read_form(request, Batch))
    undone = await service.undo(recorder, None, user, batch=data.batch_id)
    return see_other(request, "/items", done="undone", count=len({each.item_id for each in undone}))


async def _move(database: Database, recorder: Recorder, form: Form[Chosen], by: Principal) -> tuple[int, str]:
    """Moves what can be moved: the number of items of which something is, and the batch."""
    location = await find_location(database, form, "to_location", by)
    async with database.read() as read:
        stocked = await get_stocked_items(read, dict.fromkeys(form.data.id))
    stock = [
        (each.item.id, sku)
        for each in stocked
        for sku in each.stock
        if sku.quantity > 0 and sku.location_id != location.id
    ]
    moved = [(item_id, sku) for item_id, sku in stock if not sku.is_lent]
    if stock and not moved:
        raise Invalid("there is nothing to move: the rest is lent; return it first", field="to_location")
    if not moved:
        raise Invalid("there is nothing to move: no stock, or all of it is there already", field="to_location")
    batch = await service.move_stock(recorder, [(sku.sku_id, sku.quantity) for _, sku in moved], location.id, by)
    return len({item_id for item_id, _ in moved}), batch


async def _change(tx: Connection, action: str, form: Form[Chosen], by: Principal) -> None:
    data, ids = form.data, sorted(set(form.data.id))
    if action == "list":
        await add_items_to_list(tx, ids, by, list_id=data.list_id, name=data.name)
        return
    type_id: int | None = None
    tag = data.tag or data.tag_text
    if action == "type":
        item_type = await find_type(tx, form, "type_id", by)
        type_id = None if item_type is None else item_type.id
    elif action in ("tag", "untag") and tag is None:
        raise Invalid("is required", field="tag")
    await catalogue.lock_items(tx, set(ids))
    for item_id in ids:
        if action == "hide":
            await catalogue.remove_item(tx, item_id, by)
            continue
        item = await catalogue.get_item(tx, item_id)
        change = ItemChange(is_active=True)
        if action == "type":
            change = ItemChange(type_id=type_id)
        elif tag is not None:
            others = [each for each in item.tags if each.casefold() != tag.casefold()]
            change = ItemChange(tags=[*others, tag] if action == "tag" else others)
        await catalogue.change_item(tx, item_id, change, by)


async def _page(
    request: Request[Any, Any, Any], read: Connection, user: Principal, action: str, ids: list[int], form: Form[Any]
) -> Html:
    lists = (await list_lists(read, user, skip=0, limit=_MOST_LISTS)).items if action == "list" else []
    return page(
        request,
        "items-selected.html",
        form.status,
        action=action,
        selected=await get_stocked_items(read, dict.fromkeys(ids)),
        list_options=[(each.id, each.name) for each in lists],
        form=form,
    )


routes = [select, show_selected, act, undo_batch]
