"""Requests and responses for prices, and for the value of the stock."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.catalogue.schemas import Item
from stocky.money import Currency, UnitPrice, rounded_price
from stocky.schema import Id
from stocky.stock.schemas import Seller, Unit

Moment = Annotated[datetime, Meta(tz=True, description="When it was paid")]


class Price(Struct, kw_only=True):
    """What was paid for one of a unit. It belongs to the event that booked the stock, or was recorded without one.

    `expiry_date`, `lot` and `serial` are those of the stock that it was paid for.
    """

    id: int
    item_id: int
    sku_id: Annotated[int | None, Meta(description="The SKU that it was paid for; null for stock without a lot")]
    event_id: Annotated[int | None, Meta(description="The event that booked the stock; null without one")]
    unit_price: UnitPrice
    unit: Annotated[str, Meta(description="The unit that costs it")]
    seller: str
    paid_at: datetime
    expiry_date: date | None
    lot: str
    serial: str
    is_undone: Annotated[bool, Meta(description="Whether its event is undone, so that it does not count")]
    user_id: int | None
    created_at: datetime
    updated_at: datetime
    version: int


class LastPrice(Struct, kw_only=True):
    """The price that was paid last."""

    unit_price: UnitPrice
    unit: Annotated[str, Meta(description="The unit that costs it")]
    currency: Currency
    seller: str
    paid_at: datetime
    price_id: Annotated[int, Meta(description="The id of the price, among those of the item")]


class PricedItem(Item, kw_only=True, gc=False):
    """An item with what was paid for it last."""

    # Null where no price is known.
    last_price: LastPrice | None | UnsetType = UNSET


class NewPrice(Struct, kw_only=True):
    """A price to record without an event, such as that of stock that was there before.

    `sku_id` names the lot that was paid for; without it, it is that of the stock without a lot.
    """

    unit_price: UnitPrice
    unit: Annotated[Unit | None, Meta(description="The unit that costs it; by default that of the stock")] = None
    sku_id: Id | None = None
    seller: Seller | None = None
    paid_at: Annotated[Moment | None, Meta(description="When it was paid; by default now")] = None

    def __post_init__(self) -> None:
        self.unit_price = rounded_price(self.unit_price)


class PriceChange(Struct, kw_only=True):
    """A correction of a price; fields not sent keep their values."""

    unit_price: UnitPrice | UnsetType = UNSET
    unit: Annotated[Unit | UnsetType, Meta(description="The unit that costs it")] = UNSET
    seller: Seller | UnsetType = UNSET
    paid_at: Moment | UnsetType = UNSET

    def __post_init__(self) -> None:
        if isinstance(self.unit_price, (int, float)):
            self.unit_price = rounded_price(self.unit_price)


_Value = Annotated[float, Meta(description="The value in the currency, with at most six decimals", examples=[128.75])]
_WithoutPrice = Annotated[int, Meta(description="How many of these SKUs have no price, and are not in the value")]


class StockValue(Struct, kw_only=True):
    """What the stock of a day is worth: each SKU by the price of its lot known then, or else the item's last price."""

    as_of: Annotated[date, Meta(description="The day, at whose end the stock is counted")]
    currency: Currency
    value: _Value
    item_count: Annotated[int, Meta(description="How many items were in stock")]
    sku_count: Annotated[int, Meta(description="How many SKUs had a quantity")]
    without_price: _WithoutPrice


class ItemValue(Struct, kw_only=True):
    """What the stock of one item is worth."""

    item_id: int
    item_code: str
    item_name: str
    value: _Value
    sku_count: Annotated[int, Meta(description="How many SKUs of the item had a quantity")]
    without_price: _WithoutPrice


class LocationValue(Struct, kw_only=True):
    """What the stock at one location is worth, without that of the locations inside it."""

    location_id: int
    location_path: Annotated[str, Meta(description="The names from the top down", examples=["Garage / Shelf 2"])]
    value: _Value
    sku_count: Annotated[int, Meta(description="How many SKUs at the location had a quantity")]
    without_price: _WithoutPrice
