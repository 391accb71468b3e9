"""The things of a kitchen and an electronics bench: the same things in the same order for every seed.

First those of the two tables beside this module, then the variants of common things from the third file.
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
KITCHEN, BENCH, WORKSHOP = "Kitchen counter", "Workbench", "Workshop"
BOARDS, SEMICONDUCTORS = "Bench drawer, boards", "Bench drawer, semiconductors"
# A person, to whom things can be lent.
NEIGHBOUR = "Anna next door"
# Each after the one that it is in.
LOCATIONS = {
    KITCHEN: StorageType.COUNTER,
    "Pantry, top shelf": StorageType.PANTRY,
    "Pantry, lower shelf": StorageType.PANTRY,
    "Spice rack": StorageType.PANTRY,
    "Refrigerator": StorageType.REFRIGERATOR,
    "Freezer, upper drawer": StorageType.FREEZER,
    "Freezer, lower drawer": StorageType.FREEZER,
    "Cellar shelf": StorageType.OTHER,
    WORKSHOP: StorageType.GARAGE,
    BENCH: StorageType.GARAGE,
    BOARDS: StorageType.GARAGE,
    SEMICONDUCTORS: StorageType.GARAGE,
    "Bench drawer, connectors": StorageType.GARAGE,
    "Resistor and capacitor cabinet": StorageType.GARAGE,
    "Cable rack": StorageType.GARAGE,
    "Screw cabinet": StorageType.GARAGE,
    NEIGHBOUR: StorageType.OTHER,
}
PARENTS = {
    BENCH: WORKSHOP,
    BOARDS: BENCH,
    SEMICONDUCTORS: BENCH,
    "Bench drawer, connectors": BENCH,
    "Resistor and capacitor cabinet": WORKSHOP,
    "Cable rack": WORKSHOP,
    "Screw cabinet": WORKSHOP,
}
BENCH_LOCATIONS = frozenset(name for name, kind in LOCATIONS.items() if kind is StorageType.GARAGE)
# GS1 reserves 290 to 299 for numbers inside one shop, so no product has one of these.
_NUMBER_RANGE = "290"
_E12 = [1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2]
_SERIES = {
    "E6": [1, 1.5, 2.2, 3.3, 4.7, 6.8],
    "E12": _E12,
    "E24": [*_E12, 1.1, 1.3, 1.6, 2, 2.4, 3, 3.6, 4.3, 5.1, 6.2, 7.5, 9.1],
}


class Thing(NamedTuple):
    """An item of the demonstration: its location, the usual quantities bought and used, and its barcodes."""

    name: str
    location: str
    unit: str
    buy: float
    use: float
    min_quantity: float | None
    shelf_days: int | None
    pack: int | None = None
    note: str = ""
    # "lot" or "serial", where its stock has lot or serial numbers.
    numbered: str = ""
    barcode: str = ""
    pack_barcode: str = ""

    @property
    def is_for_bench(self) -> bool:
        return self.location in BENCH_LOCATIONS

    @property
    def has_lots(self) -> bool:
        return self.shelf_days is not None or self.numbered != ""


def first_things(count: int) -> Iterator[Thing]:
    """The first `count` things, at most MAX_THINGS."""
    listed = _interleave(_table("kitchen"), _table("bench"))
    families = tomllib.loads(_file("variants.toml"))["family"]
    variants = _interleave(*(_variants(family) for family in families))
    for number, thing in enumerate(islice(chain(listed, variants), count)):
        yield thing._replace(barcode=ean13(2 * number), pack_barcode=ean13(2 * number + 1) if thing.pack else "")


def ean13(number: int) -> str:
    """An EAN-13 barcode of the demonstration range, with its check digit; `number` is below 10 ** 9."""
    digits = f"{_NUMBER_RANGE}{number:09}"
    weighted = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"


def _table(name: str) -> Iterator[Thing]:
    for row in csv.DictReader(_file(f"{name}.csv").splitlines(), delimiter=";"):
        yield Thing(
            name=row["name"],
            location=row["location"],
            unit=row["unit"],
            buy=float(row["buy"]),
            use=float(row["use"]),
            min_quantity=float(row["min"]) if row["min"] else None,
            shelf_days=int(row["days"]) if row["days"] else None,
            pack=int(row["pack"]) if row["pack"] else None,
            note=row["note"],
            numbered=row["numbered"] or "",
        )


def _variants(family: dict[str, Any]) -> Iterator[Thing]:
    for words in product(*(_choice(choice) for choice in family["choices"])):
        yield Thing(
            name=family["name"].format(*words),
            location=family["location"],
            unit=family["unit"],
            buy=family["buy"],
            use=family["use"],
            min_quantity=family["min"],
            shelf_days=family.get("days"),
        )


def _interleave(*sources: Iterator[T]) -> Iterator[T]:
    """Takes one from each source in turn until all are exhausted."""
    remaining = list(sources)
    while remaining:
        for source in list(remaining):
            try:
                yield next(source)
            except StopIteration:
                remaining.remove(source)


def _choice(choice: list[str] | dict[str, Any]) -> list[str]:
    """The texts of a choice; for a series its steps in each decade (`100`, `10 k`), like `4.7 kΩ`."""
    if isinstance(choice, list):
        return choice
    texts = []
    for decade in choice["decades"]:
        scale, _, prefix = decade.partition(" ")
        texts += [f"{step * float(scale):g} {prefix}{choice['unit']}" for step in _SERIES[choice["series"]]]
    return texts


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
