"""What a kitchen and an electronics bench hold: the same things in the same order, whatever the seed.

First what the two tables beside this module list, then the variants of common things that the third file tells.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from itertools import chain, islice, product
from typing import Any, NamedTuple, TypeVar

from stocky.schema import StorageType

T = TypeVar("T")

MAX_THINGS = 100_000
KITCHEN, BENCH = "Kitchen counter", "Workbench"
PLACES = {
    KITCHEN: StorageType.COUNTER,
    "Pantry, top shelf": StorageType.PANTRY,
    "Pantry, lower shelf": StorageType.PANTRY,
    "Spice rack": StorageType.PANTRY,
    "Refrigerator": StorageType.REFRIGERATOR,
    "Freezer, upper drawer": StorageType.FREEZER,
    "Freezer, lower drawer": StorageType.FREEZER,
    "Cellar shelf": StorageType.OTHER,
    BENCH: StorageType.GARAGE,
    "Bench drawer, boards": StorageType.GARAGE,
    "Bench drawer, semiconductors": StorageType.GARAGE,
    "Bench drawer, connectors": StorageType.GARAGE,
    "Resistor and capacitor cabinet": StorageType.GARAGE,
    "Cable rack": StorageType.GARAGE,
    "Screw cabinet": StorageType.GARAGE,
}
BENCH_PLACES = frozenset(name for name, kind in PLACES.items() if kind is StorageType.GARAGE)
# GS1 keeps 290 to 299 for numbers inside one shop, so no product in the world has one of these.
_NUMBER_RANGE = "290"
_E12 = [1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2]
_SERIES = {
    "E6": [1, 1.5, 2.2, 3.3, 4.7, 6.8],
    "E12": _E12,
    "E24": [*_E12, 1.1, 1.3, 1.6, 2, 2.4, 3, 3.6, 4.3, 5.1, 6.2, 7.5, 9.1],
}


class Thing(NamedTuple):
    """Something to keep: where, how much is bought and used at a time, and what its barcodes are."""

    name: str
    place: str
    unit: str
    buy: float
    use: float
    min_quantity: float | None
    shelf_days: int | None
    pack: int | None = None
    note: str = ""
    barcode: str = ""
    pack_barcode: str = ""

    @property
    def is_for_bench(self) -> bool:
        return self.place in BENCH_PLACES


def first_things(count: int) -> Iterator[Thing]:
    """The first `count` things, at most MAX_THINGS."""
    listed = _in_turn(_table("kitchen"), _table("bench"))
    families = tomllib.loads(_file("variants.toml"))["family"]
    variants = _in_turn(*(_variants(family) for family in families))
    for number, thing in enumerate(islice(chain(listed, variants), count)):
        yield thing._replace(barcode=ean13(2 * number), pack_barcode=ean13(2 * number + 1) if thing.pack else "")


def ean13(number: int) -> str:
    """An EAN-13 barcode of Stocky's demonstration range, with its check digit; `number` below 10 ** 9."""
    digits = f"{_NUMBER_RANGE}{number:09}"
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"


def _table(name: str) -> Iterator[Thing]:
    for row in csv.DictReader(_file(f"{name}.csv").splitlines(), delimiter=";"):
        yield Thing(
            name=row["name"],
            place=row["place"],
            unit=row["unit"],
            buy=float(row["buy"]),
            use=float(row["use"]),
            min_quantity=float(row["min"]) if row["min"] else None,
            shelf_days=int(row["days"]) if row["days"] else None,
            pack=int(row["pack"]) if row["pack"] else None,
            note=row["note"],
        )


def _variants(family: dict[str, Any]) -> Iterator[Thing]:
    for words in product(*(_choice(choice) for choice in family["choices"])):
        yield Thing(
            name=family["name"].format(*words),
            place=family["place"],
            unit=family["unit"],
            buy=family["buy"],
            use=family["use"],
            min_quantity=family["min"],
            shelf_days=family.get("days"),
        )


def _in_turn(*sources: Iterator[T]) -> Iterator[T]:
    """One of each, again and again, as long as any has more."""
    left = list(sources)
    while left:
        for source in list(left):
            try:
                yield next(source)
            except StopIteration:
                left.remove(source)


def _choice(told: list[str] | dict[str, Any]) -> list[str]:
    """The words of a choice; of a series its steps in each decade (`100`, `10 k`), as `4.7 kΩ` and its like."""
    if isinstance(told, list):
        return told
    made = []
    for decade in told["decades"]:
        scale, _, prefix = decade.partition(" ")
        made += [f"{step * float(scale):g} {prefix}{told['unit']}" for step in _SERIES[told["series"]]]
    return made


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
