"""The rules of stock in memory: the effect of each kind of change, and that a rejected one has none."""

from __future__ import annotations

import copy
import gc
import weakref
from datetime import UTC, date, datetime
from typing import Any

import pytest

from stocky.stock.ledger import LIMIT_MILLI, Ledger
from stocky.stock.models import EventToUndo, OperationRejected, SkuState, StockItem
from stocky.stock.operations import AnyLot, Operation

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SOON, LATER = date(2026, 6, 1), date(2026, 9, 1)
HERE, THERE = 1, 2


def item(policy: Any = "reject", *, is_active: bool = True) -> StockItem:
    return StockItem(1, "Rice", policy, is_active, 1)


def sku(id: int, quantity: int, expiry: date | None = None, *, at: int = HERE, is_active: bool = True) -> SkuState:
    return SkuState(id, 1, at, expiry, "", "", None, quantity, "bag", "", is_active, 1, NOW, NOW)


def ledger(*skus: SkuState, of: StockItem | None = None) -> Ledger:
    return Ledger([of or item()], list(skus), NOW)


def operation(kind: Any, quantity: int, expiry: date | None | AnyLot = AnyLot.ANY, **more: Any) -> Operation:
    return Operation(kind=kind, quantity_milli=quantity, expiry_date=expiry, **more)


def taken(entries: list[Any]) -> list[tuple[int, int]]:
    return [(entry.sku.id, entry.delta_milli) for entry in entries]


def test_addition_without_a_lot_goes_to_the_sku_without_expiry() -> None:
    book = ledger(sku(1, 500, SOON), sku(2, 700))
    assert taken(book.add(operation("add", 1000), item(), HERE)) == [(2, 1000)]
    assert taken(book.add(operation("add", 1000, SOON), item(), HERE)) == [(1, 1000)]


def test_new_location_gets_a_sku_in_the_main_unit() -> None:
    book = ledger(sku(1, 500))
    book.add(operation("add", 1000), item(), THERE)
    assert [(made.location_id, made.unit, made.quantity_milli) for made in book.created] == [(THERE, "bag", 1000)]


def test_hidden_sku_is_reactivated_by_an_addition() -> None:
    hidden = sku(1, 0, is_active=False)
    ledger(hidden).add(operation("add", 1000), item(), HERE)
    assert hidden.is_active
    assert hidden.quantity_milli == 1000


def test_removal_takes_the_earliest_expiry_first() -> None:
    book = ledger(sku(1, 100), sku(2, 100, LATER), sku(3, 100, SOON))
    entries = book.remove(operation("remove", 250), item(), HERE)
    assert taken(entries) == [(3, -100), (2, -100), (1, -50)]
    assert {id(entry.first) for entry in entries} == {id(entries[0])}


def test_removal_takes_only_the_named_lot_and_location() -> None:
    book = ledger(sku(1, 100, SOON), sku(2, 100, LATER), sku(3, 100, SOON, at=THERE))
    assert taken(book.remove(operation("remove", 60, LATER), item(), HERE)) == [(2, -60)]
    with pytest.raises(OperationRejected, match=r"Only 0\.04 of Rice in stock; 0\.05 requested"):
        book.remove(operation("remove", 50, LATER), item(), HERE)


def test_refusal_names_what_is_elsewhere() -> None:
    book = ledger(sku(1, 100), sku(2, 3000, SOON, at=THERE), sku(3, 500, at=THERE))
    with pytest.raises(OperationRejected, match=r"^Only 0\.1 of Rice in stock; 0\.2 requested; 3\.5 elsewhere$"):
        book.remove(operation("remove", 200), item(), HERE)
    with pytest.raises(OperationRejected, match=r"^Only 0\.5 of Rice in stock; 1 requested; 0\.1 elsewhere$"):
        book.remove(operation("remove", 1000, None), item(), THERE)


def test_reject_changes_nothing() -> None:
    book = ledger(sku(1, 100, SOON), sku(2, 100))
    with pytest.raises(OperationRejected):
        book.remove(operation("remove", 201), item(), HERE)
    assert not book.entries
    assert not book.changed


def test_clamp_takes_the_stock_and_rejects_when_there_is_none() -> None:
    clamped = item("clamp")
    book = ledger(sku(1, 100, SOON), sku(2, 30), of=clamped)
    assert taken(book.remove(operation("remove", 500), clamped, HERE)) == [(1, -100), (2, -30)]
    with pytest.raises(OperationRejected, match="No Rice in stock"):
        book.remove(operation("remove", 1), clamped, HERE)


def test_allow_goes_negative_on_the_sku_without_expiry_in_one_row() -> None:
    allowed = item("allow")
    book = ledger(sku(1, 100, SOON), sku(2, 30), of=allowed)
    assert taken(book.remove(operation("remove", 500), allowed, HERE)) == [(1, -100), (2, -400)]
    assert taken(book.remove(operation("remove", 500), allowed, HERE)) == [(2, -500)]


def test_allow_goes_negative_on_the_named_lot() -> None:
    allowed = item("allow")
    book = ledger(sku(1, 100, SOON), sku(2, 30), of=allowed)
    assert taken(book.remove(operation("remove", 150, SOON), allowed, HERE)) == [(1, -150)]


@pytest.mark.parametrize("policy", ["reject", "clamp", "allow"])
def test_move_beyond_the_stock_is_rejected(policy: str) -> None:
    book = ledger(sku(1, 100), of=item(policy))
    with pytest.raises(OperationRejected, match="Only"):
        book.move(operation("move", 101), item(policy), HERE, THERE)
    assert not book.entries


def test_move_keeps_lots_separate_and_pairs_its_rows() -> None:
    book = ledger(sku(1, 100, SOON), sku(2, 100), sku(3, 5, at=THERE))
    entries = book.move(operation("move", 150), item(), HERE, THERE)
    assert [(entry.sku.location_id, entry.sku.expiry_date, entry.delta_milli) for entry in entries] == [
        (HERE, SOON, -100),
        (THERE, SOON, 100),
        (HERE, None, -50),
        (THERE, None, 50),
    ]
    assert sum(entry.delta_milli for entry in entries) == 0
    assert {id(entry.first) for entry in entries} == {id(entries[0])}


def test_move_to_the_same_location_is_rejected() -> None:
    with pytest.raises(OperationRejected, match="already"):
        ledger(sku(1, 100)).move(operation("move", 50), item(), HERE, HERE)


def test_count_books_the_difference_even_if_zero() -> None:
    book = ledger(sku(1, 100))
    assert taken(book.set(operation("set", 70), item(), HERE)) == [(1, -30)]
    assert taken(book.set(operation("set", 70), item(), HERE)) == [(1, 0)]
    assert taken(book.set(operation("set", 90), item(), HERE)) == [(1, 20)]


def test_count_without_a_lot_needs_a_single_lot_with_stock() -> None:
    book = ledger(sku(1, 0), sku(2, 100, SOON))
    assert taken(book.set(operation("set", 40), item(), HERE)) == [(2, -60)]
    book = ledger(sku(1, 10), sku(2, 100, SOON))
    with pytest.raises(OperationRejected, match="by the fields expiry_date, lot and serial of POST /events"):
        book.set(operation("set", 40), item(), HERE)
    assert taken(book.set(operation("set", 40, SOON), item(), HERE)) == [(2, -60)]


def test_quantity_above_the_limit_is_rejected() -> None:
    book = ledger(sku(1, LIMIT_MILLI - 1))
    book.add(operation("add", 1), item(), HERE)
    with pytest.raises(OperationRejected, match="larger than Stocky can count"):
        book.add(operation("add", 1), item(), HERE)


@pytest.mark.parametrize("kind", ["add", "remove", "move"])
def test_quantity_of_zero_is_rejected(kind: str) -> None:
    book = ledger(sku(1, 100))
    more = (THERE,) if kind == "move" else ()
    with pytest.raises(OperationRejected, match="more than 0"):
        getattr(book, kind)(operation(kind, 0), item(), HERE, *more)


def test_undo_compensates_the_latest_row_first() -> None:
    book = ledger(sku(1, 0), sku(2, 70, at=THERE))
    rows = [
        EventToUndo(5, "add", 1, 1, 70, None),
        EventToUndo(6, "move", 1, 1, -70, None),
        EventToUndo(7, "move", 1, 2, 70, None),
    ]
    entries = book.undo(operation("undo", 0), rows)
    assert [(entry.reverses_id, entry.delta_milli) for entry in entries] == [(7, -70), (6, 70), (5, -70)]
    assert [each.quantity_milli for each in book.skus(1)] == [0, 0]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (EventToUndo(5, "undo", 1, 1, 70, None), "itself an undo"),
        (EventToUndo(5, "add", 1, 1, 70, 9), "undone already"),
        (EventToUndo(5, "add", 1, 1, 101, None), "removed or moved since"),
    ],
)
def test_impossible_undo_is_rejected(row: EventToUndo, reason: str) -> None:
    with pytest.raises(OperationRejected, match=reason):
        ledger(sku(1, 100)).undo(operation("undo", 0), [row])


def test_booking_to_an_inactive_item_is_rejected() -> None:
    gone = item(is_active=False)
    with pytest.raises(OperationRejected, match="no longer in use"):
        Ledger.check_in_use(gone)
    with pytest.raises(OperationRejected, match="no longer in use"):
        ledger(sku(1, 0), of=gone).undo(operation("undo", 0), [EventToUndo(5, "remove", 1, 1, -70, None)])


def test_revert_restores_the_savepoint() -> None:
    first = sku(1, 100, SOON), sku(2, 50), sku(3, 0, LATER, is_active=False)
    book = ledger(*first, of=item("allow"))
    book.add(operation("add", 10), item(), HERE)
    mark, before = book.savepoint(), copy.deepcopy((book.skus(1), book.entries, book.created, book.reversed))
    book.add(operation("add", 10), item(), HERE)
    book.add(operation("add", 10, LATER), item(), HERE)
    book.add(operation("add", 10), item(), THERE)
    book.remove(operation("remove", 999), item("allow"), THERE)
    book.move(operation("move", 100), item(), HERE, THERE)
    book.set(operation("set", 1), item(), 3)
    book.undo(operation("undo", 0), [EventToUndo(5, "add", 1, 2, 1, None)])
    book.write_off(operation("set", 0, sku_id=2))
    book.revert(mark)
    assert (book.skus(1), book.entries, book.created, book.reversed) == before
    assert set(book.changed) == {id(first[1])}


def test_ledger_is_freed_without_the_garbage_collector() -> None:
    """A collection of what many batches leave would stop all scans for ten milliseconds or more."""
    book = ledger(sku(1, 500), sku(2, 700, is_active=False))
    of = item()
    book.reactivate(of)
    book.add(operation("add", 1000), of, HERE)
    book.add(operation("add", 1000), of, THERE)
    book.undo(operation("undo", 0), [EventToUndo(9, "add", 1, 1, 100, None)])
    gc.disable()
    try:
        freed = weakref.ref(book)
        del book
        assert freed() is None
    finally:
        gc.enable()
