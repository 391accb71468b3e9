"""The item of a recorded event and its stock right after it, for pages that show each scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stocky.catalogue.schemas import Location
from stocky.quantity import from_milli, to_milli
from stocky.stock.operations import Outcome
from stocky.stock.schemas import EventDetails, LocationQuantity


def booked_at(outcomes: Iterable[Outcome]) -> set[int]:
    """The locations of all events."""
    return {event.location_id for outcome in outcomes for event in outcome.events}


def describe_outcome(outcome: Outcome, locations: Mapping[int, Location]) -> EventDetails | None:
    """The details of an operation that had `with_details`, None without an item."""
    item = outcome.item
    if item is None:
        return None
    # A move's first row is at its source location.
    where = list(dict.fromkeys(event.location_id for event in outcome.events))
    return EventDetails(
        item_id=item.id,
        item_code=item.code,
        item_name=item.name,
        needs_review=item.needs_review,
        image_document_id=item.image_document_id,
        total_quantity=item.total_quantity,
        unit=item.unit,
        location=_stock_at(outcome, where[0], locations) if where else None,
        to_location=_stock_at(outcome, where[1], locations) if len(where) > 1 else None,
    )


def _stock_at(outcome: Outcome, location_id: int, locations: Mapping[int, Location]) -> LocationQuantity:
    events = [event for event in outcome.events if event.location_id == location_id]
    here = {sku.id: sku for sku in outcome.skus if sku.location_id == location_id}
    # Stock in another unit cannot be added.
    unit = next((here[event.sku_id].unit for event in events if event.sku_id in here), None)
    of_unit = {id: sku for id, sku in here.items() if sku.unit == unit}
    return LocationQuantity(
        id=location_id,
        name=locations[location_id].name,
        path=locations[location_id].path,
        quantity=_sum(sku.quantity for sku in of_unit.values()),
        unit=unit,
        delta=_sum(event.delta for event in events if event.sku_id in of_unit),
    )


def _sum(quantities: Iterable[float]) -> float:
    """The exact sum, computed in thousandths."""
    return from_milli(sum(map(to_milli, quantities)))
