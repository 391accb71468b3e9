"""What was paid for an item, with corrections, and what the stock of a day is worth."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.datastructures import State
from litestar.params import Parameter
from msgspec import Struct

from stocky import clock
from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal, Role
from stocky.catalogue import repository as catalogue
from stocky.db import Connection, Database
from stocky.errors import NotFound
from stocky.http.parameters import PathId, Skip
from stocky.http.request import long_read
from stocky.money import UnitPrice, rounded_price
from stocky.pages.done import done_with_item
from stocky.pages.forms import Form, changed_values, filled, read_form, shown_fields
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.views.activity import OptionalId, OptionalText, chosen_location
from stocky.prices import repository, summary
from stocky.prices.schemas import ItemValue, LocationValue, NewPrice, Price, PriceChange
from stocky.settings.repository import get_currency
from stocky.stock.schemas import Seller, Unit

_ROWS = 100
_PRICES = "/items/{item_id:int}/prices"
OptionalDay = Annotated[date | None, Parameter(required=False)]


class TypedPrice(Struct, kw_only=True):
    """A price as typed: `paid_on` is a day in the server's time zone, without it today."""

    unit_price: UnitPrice
    unit: Unit | None = None
    seller: Seller | None = None
    paid_on: date | None = None

    def __post_init__(self) -> None:
        rounded_price(self.unit_price)


@get(_PRICES, opt=readers)
async def show_prices(
    request: Request[Any, Any, Any], read: Connection, user: Principal, item_id: PathId, skip: Skip = 0
) -> Html:
    """The prices of an item, newest first."""
    return await _list_page(request, read, user, item_id, Form(), skip=skip)


@post(_PRICES, opt=members)
async def add_price(
    request: Request[Any, Any, Any], state: State, database: Database, user: Principal, item_id: PathId
) -> Html:
    """Records a price without booking stock."""
    form = await read_form(request, TypedPrice)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                data = form.data
                new = NewPrice(
                    unit_price=data.unit_price,
                    unit=data.unit,
                    seller=data.seller or None,
                    paid_at=_noon(data.paid_on, state),
                )
                await repository.add_price(tx, item_id, new, user)
    if not form.errors:
        return see_other(request, f"/items/{item_id}/prices", done="new-price")
    async with database.read() as read:
        return await _list_page(request, read, user, item_id, form)


@get(f"{_PRICES}/{{price_id:int}}", opt=members)
async def show_price(
    request: Request[Any, Any, Any], state: State, read: Connection, item_id: PathId, price_id: PathId
) -> Html:
    """One price, with the form to correct it."""
    return await _price_page(request, state, read, item_id, await _find(read, item_id, price_id))


@post(f"{_PRICES}/{{price_id:int}}", opt=members)
async def change_price(
    request: Request[Any, Any, Any],
    state: State,
    database: Database,
    user: Principal,
    item_id: PathId,
    price_id: PathId,
) -> Html:
    """Corrects a price."""
    form = await read_form(request, TypedPrice)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                price, data = await _find(tx, item_id, price_id), form.data
                changed, change = changed_values(form.values), PriceChange()
                if "seller" in changed:
                    change.seller = data.seller or ""
                # A price per pack is shown rounded: what was not changed stays as it was paid.
                if "unit_price" in changed and data.unit_price != price.unit_price:
                    change.unit_price = data.unit_price
                if "unit" in changed and data.unit is not None:
                    change.unit = data.unit
                if "paid_on" in changed and data.paid_on not in (None, price.paid_at.astimezone(state.zone).date()):
                    change.paid_at = _noon(data.paid_on, state) or price.paid_at
                await repository.change_price(tx, price_id, change, user, None)
    if not form.errors:
        return see_other(request, f"/items/{item_id}/prices", done="saved")
    async with database.read() as read:
        return await _price_page(request, state, read, item_id, await _find(read, item_id, price_id), form)


@post(f"{_PRICES}/{{price_id:int}}/delete", opt=members)
async def delete_price(
    request: Request[Any, Any, Any], tx: Connection, user: Principal, item_id: PathId, price_id: PathId
) -> Html:
    """Deletes a price."""
    await _find(tx, item_id, price_id)
    await repository.remove_price(tx, price_id, user)
    return see_other(request, f"/items/{item_id}/prices", done="no-price")


@get("/value", opt=readers | {"may_be_empty": ("day", "location_id")} | long_read())
async def show_value(
    request: Request[Any, Any, Any],
    state: State,
    read: Connection,
    day: OptionalDay = None,
    location_id: OptionalId = None,
    location_id_text: OptionalText = "",
    without_price: bool = False,
    by_location: bool = False,
    skip: Skip = 0,
) -> Html:
    """What the stock is worth at the end of a day, by item or by location."""
    location_id, location_text = await chosen_location(read, location_id, location_id_text)
    values: summary.StockValues = state.stock_values
    found = await values.get_or_read(read, day, state.zone, within=location_id)
    rows: list[tuple[str, str, str, ItemValue | LocationValue]]
    if by_location:
        locations, count = await summary.list_location_values(read, found, skip=skip, limit=_ROWS)
        rows = [(each.location_path, f"/locations/{each.location_id}", "", each) for each in locations]
    else:
        items, count = await summary.list_item_values(read, found, skip=skip, limit=_ROWS, without_price=without_price)
        rows = [(each.item_name, f"/items/{each.item_id}", each.item_code, each) for each in items]
    return page(
        request,
        "value.html",
        total=found.total,
        currency=found.total.currency,
        rows=rows,
        count=count,
        skip=skip,
        size=_ROWS,
        is_today=day is None,
        query={
            "day": day,
            "location_id": location_id,
            "without_price": "true" if without_price else None,
            "by_location": "true" if by_location else None,
        },
        location_text=location_text,
    )


async def _find(read: Connection, item_id: int, price_id: int) -> Price:
    """A price of the item, or of one merged into it. Raises NotFound."""
    price = await repository.get_price(read, price_id)
    if price.item_id != item_id and (await catalogue.get_item(read, price.item_id)).merged_into_id != item_id:
        raise NotFound(f"There is no price {price_id} of that item")
    return price


async def _list_page(
    request: Request[Any, Any, Any], read: Connection, user: Principal, item_id: int, form: Form[Any], *, skip: int = 0
) -> Html:
    item = await catalogue.get_item(read, item_id)
    prices = await repository.list_prices(read, item_id, skip=skip, limit=_ROWS + 1)
    return page(
        request,
        "item-prices.html",
        form.status,
        item=item,
        prices=prices[:_ROWS],
        has_more=len(prices) > _ROWS,
        skip=skip,
        size=_ROWS,
        currency=await get_currency(read),
        form=form,
        can_change=user.user.role in (Role.ADMIN, Role.MEMBER) and item.merged_into_id is None,
        done=done_with_item(request),
    )


async def _price_page(
    request: Request[Any, Any, Any],
    state: State,
    read: Connection,
    item_id: int,
    price: Price,
    form: Form[Any] | None = None,
) -> Html:
    item = await catalogue.get_item(read, item_id)
    fields = {
        "unit": price.unit,
        "seller": price.seller,
        "paid_on": price.paid_at.astimezone(state.zone).date().isoformat(),
    }
    form = form or filled(fields)
    return page(
        request,
        "item-price.html",
        form.status,
        item=item,
        price=price,
        unit_price=f"{price.unit_price:.6f}".rstrip("0").rstrip("."),
        form=form,
        shown=shown_fields(form, fields),
        currency=await get_currency(read),
    )


def _noon(day: date | None, state: State) -> datetime | None:
    """The middle of a day, which is on that day in every zone nearby; None for today, which is now."""
    if day is None or day == clock.now().astimezone(state.zone).date():
        return None
    start = clock.day_bounds(day, 1, state.zone)[0].astimezone(state.zone)
    return datetime.combine(start.date(), time(12), tzinfo=state.zone)


routes = [show_prices, add_price, show_price, change_price, delete_price, show_value]
