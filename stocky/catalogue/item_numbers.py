"""Item numbers of variable-measure barcodes: what the rules read in a barcode, and in the barcodes that items have.

A barcode with a measure that an item got before there was a rule still finds its item, and that measure only. Adding
its item number finds the item by every piece; nothing is removed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

from msgspec import Meta, Struct

from stocky.auth.schemas import Principal
from stocky.barcodes.codes import LONGEST_TEXT, ScannedCode, is_blank, normalize_barcode
from stocky.barcodes.measures import MeasureRule, find_rule, item_number, may_have_measure
from stocky.barcodes.reader import read_code
from stocky.catalogue.finding import find_barcodes, find_items
from stocky.catalogue.repository import add_item_barcode, get_item
from stocky.catalogue.schemas import Barcode
from stocky.db import Connection
from stocky.errors import Invalid
from stocky.settings.repository import get_measure_rules
from stocky.settings.schemas import MeasureRules

# Barcodes that are looked at, shown, and given to items by one request.
MOST_READ = 10_000
MOST_SHOWN = 200
MOST_ADDED = 200
_MILLIGRAMS_PER_KG = 1_000_000


class BarcodeToTry(Struct, kw_only=True, forbid_unknown_fields=True):
    """A barcode to read, by `rules` or by those in use."""

    barcode: Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT, examples=["2812345004562"])]
    rules: MeasureRules | None = None

    def __post_init__(self) -> None:
        if is_blank(self.barcode):
            raise ValueError("barcode: must not be blank")


class TriedBarcode(Struct, kw_only=True):
    """What is read in a barcode. `code` is what its item is found by: an item number, or the barcode itself.

    `rule` is null where none applies. `weight` is in kg; an item number has neither weight, count nor price. `item_id`
    is null where no item has it.
    """

    barcode: str
    code: str
    rule: MeasureRule | None
    weight: float | None
    count: int | None
    price: str | None
    problem: str | None
    item_id: int | None
    item_name: str | None


class BarcodeWithMeasure(Struct, kw_only=True, gc=False):
    """A barcode of an item in which the rules read a measure, and its item number.

    `state`: `missing`, the item can get the number; `present`, the item has it; `shared`, other items have the number
    or another barcode with it.
    """

    barcode: str
    item_id: int
    item_name: str
    item_number: str
    state: Literal["missing", "present", "shared"]


class BarcodesWithMeasure(Struct, kw_only=True):
    """The barcodes of items in which the rules read a measure; `missing` and `shared` count those in these states.

    `barcodes` are the first of them, and `is_complete` is false where there are more than were counted.
    """

    missing: int
    shared: int
    present: int
    is_complete: bool
    barcodes: list[BarcodeWithMeasure]


class AddedItemNumbers(Struct, kw_only=True):
    """How many items got an item number, and how many barcodes are still without theirs."""

    added: int
    missing: int
    shared: int


class _Row(Struct, gc=False):
    code: str
    code_key: str
    item_id: int
    item_name: str


async def try_barcode(read: Connection, wanted: BarcodeToTry) -> TriedBarcode:
    """Reads a barcode as a scan would; nothing is booked."""
    rules = await get_measure_rules(read) if wanted.rules is None else wanted.rules
    scanned = await read_code(wanted.barcode, rules)
    found = None
    if scanned.problem is None:
        found = (await find_items(read, [scanned])).find(scanned)
    return TriedBarcode(
        barcode=wanted.barcode,
        code=scanned.code,
        rule=_rule_of(scanned, rules),
        weight=None if scanned.milligrams is None else scanned.milligrams / _MILLIGRAMS_PER_KG,
        count=scanned.count,
        price=scanned.price,
        problem=scanned.problem,
        item_id=None if found is None else found[0],
        item_name=None if found is None else (await get_item(read, found[0])).name,
    )


async def list_barcodes_with_measure(read: Connection) -> BarcodesWithMeasure:
    """The barcodes of items that the rules in use read."""
    found, is_complete = await _find(read)
    states = [each.state for each in found]
    return BarcodesWithMeasure(
        missing=states.count("missing"),
        shared=states.count("shared"),
        present=states.count("present"),
        is_complete=is_complete,
        barcodes=sorted(found, key=lambda each: ("missing", "shared", "present").index(each.state))[:MOST_SHOWN],
    )


async def add_item_numbers(tx: Connection, by: Principal) -> AddedItemNumbers:
    """Gives items the item numbers of their barcodes, unless another item has one of the same number.

    Some hundred at once; raises Invalid where none is missing.
    """
    found, _ = await _find(tx)
    wanted = dict.fromkeys((each.item_number, each.item_id) for each in found if each.state == "missing")
    if not wanted:
        raise Invalid("No item lacks the item number of its barcodes; GET /api/v1/settings/measure-rules/barcodes")
    chosen = sorted(list(wanted)[:MOST_ADDED], key=lambda each: each[1])
    for number, item_id in chosen:
        await add_item_barcode(tx, item_id, Barcode(number), by)
    left = {each.item_number for each in found if each.state == "missing"} - {number for number, _ in chosen}
    return AddedItemNumbers(added=len(chosen), missing=len(left), shared=sum(each.state == "shared" for each in found))


async def _find(read: Connection) -> tuple[list[BarcodeWithMeasure], bool]:
    """The barcodes of items that the rules read, and whether these are all."""
    rules = await get_measure_rules(read)
    if not rules:
        return [], True
    rows = await read.all("list_barcodes_of_scales", _Row, limit=MOST_READ + 1)
    numbers = await read.compute(partial(_numbers, rows[:MOST_READ], rules))
    keys = {code: normalize_barcode(number) for code, number in numbers.items()}
    owners = await find_barcodes(read, sorted(set(keys.values()))) if keys else {}
    items: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        if row.code in keys:
            items[keys[row.code]].add(row.item_id)
    found = []
    for row in rows:
        if row.code in keys:
            key = keys[row.code]
            owner = owners.get(key)
            is_shared = len(items[key] | ({owner[0]} if owner else set())) > 1
            found.append(
                BarcodeWithMeasure(
                    barcode=row.code,
                    item_id=row.item_id,
                    item_name=row.item_name,
                    item_number=numbers[row.code],
                    state="shared" if is_shared else "missing" if owner is None else "present",
                )
            )
    return found, len(rows) <= MOST_READ


def _numbers(rows: Sequence[_Row], rules: Sequence[MeasureRule]) -> dict[str, str]:
    """The item numbers of those barcodes in which the rules read a measure."""
    return {row.code: number for row in rows if (number := item_number(row.code, rules))}


def _rule_of(scanned: ScannedCode, rules: Sequence[MeasureRule]) -> MeasureRule | None:
    key = scanned.piece_key or scanned.key
    if not may_have_measure(key) or normalize_barcode(scanned.text) != key:
        return None
    return find_rule(key, rules)
