"""`/prices` and `/stock-value`: what was paid for stock, and what the stock of a day is worth."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from litestar import delete, get, patch, post
from litestar.datastructures import State
from litestar.params import Parameter

from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal
from stocky.catalogue import repository as catalogue
from stocky.db import Connection
from stocky.http.parameters import IfMatch, Paging, PathId, Within, versions_of
from stocky.http.request import StockyRequest, long_read
from stocky.http.routing import Router
from stocky.prices import repository, summary
from stocky.prices.schemas import ItemValue, LocationValue, NewPrice, Price, PriceChange, StockValue
from stocky.schema import Message

AsOf = Annotated[
    date | None,
    Parameter(description="The day, at whose end in the server's time zone the stock is counted; by default today"),
]
WithoutPrice = Annotated[bool, Parameter(description="Only items that have stock without a price")]


@get("/{item_id:int}/prices", opt=readers)
async def list_item_prices(read: Connection, item_id: PathId, paging: Paging) -> list[Price]:
    """What was paid for an item, newest first, with the prices of items merged into it."""
    await catalogue.get_item(read, item_id)
    return await repository.list_prices(read, item_id, skip=paging.skip, limit=paging.limit, listing=paging)


@post("/{item_id:int}/prices", opt=members)
async def add_item_price(data: NewPrice, tx: Connection, user: Principal, item_id: PathId) -> Price:
    """Record a price without booking stock. What is added to stock has its price in `unit_price`."""
    return await repository.add_price(tx, item_id, data, user)


@get("/{price_id:int}", opt=readers)
async def get_price(request: StockyRequest, read: Connection, price_id: PathId) -> Price:
    """One price."""
    price = await repository.get_price(read, price_id)
    request.scope["state"]["version"] = price.version
    return price


@patch("/{price_id:int}", opt=members)
async def change_price(
    data: PriceChange, tx: Connection, user: Principal, price_id: PathId, if_match: IfMatch = None
) -> Price:
    """Correct a price; fields not sent keep their values. The audit trail has the earlier ones."""
    return await repository.change_price(tx, price_id, data, user, versions_of(if_match))


@delete("/{price_id:int}", opt=members, status_code=200)
async def delete_price(tx: Connection, user: Principal, price_id: PathId, if_match: IfMatch = None) -> Message:
    """Delete a price; the event that it belongs to stays."""
    await repository.remove_price(tx, price_id, user, versions_of(if_match))
    return Message(f"Price {price_id} deleted")


@get("/", opt=readers | long_read())
async def get_stock_value(read: Connection, state: State, as_of: AsOf = None, within: Within = None) -> StockValue:
    """What the stock is worth, at the end of a day."""
    return (await _summary(read, state, as_of, within)).total


@get("/items", opt=readers | long_read())
async def list_item_values(
    read: Connection,
    state: State,
    paging: Paging,
    as_of: AsOf = None,
    within: Within = None,
    without_price: WithoutPrice = False,
) -> list[ItemValue]:
    """What the stock of each item is worth, the largest value first."""
    found = await _summary(read, state, as_of, within)
    values, total = await summary.list_item_values(
        read, found, skip=paging.skip, limit=paging.limit, without_price=without_price, order=paging.order
    )
    paging.shown, paging.total = len(values), total
    return values


@get("/locations", opt=readers | long_read())
async def list_location_values(
    read: Connection, state: State, paging: Paging, as_of: AsOf = None, within: Within = None
) -> list[LocationValue]:
    """What the stock at each location is worth, the largest value first."""
    found = await _summary(read, state, as_of, within)
    values, total = await summary.list_location_values(
        read, found, skip=paging.skip, limit=paging.limit, order=paging.order
    )
    paging.shown, paging.total = len(values), total
    return values


async def _summary(read: Connection, state: State, as_of: date | None, within: int | None) -> summary.Summary:
    values: summary.StockValues = state.stock_values
    return await values.get_or_read(read, as_of, state.zone, within=within)


item_price_routes = Router("/items", route_handlers=[list_item_prices, add_item_price], tags=["Prices"])
price_routes = Router("/prices", route_handlers=[get_price, change_price, delete_price], tags=["Prices"])
value_routes = Router(
    "/stock-value", route_handlers=[get_stock_value, list_item_values, list_location_values], tags=["Prices"]
)
