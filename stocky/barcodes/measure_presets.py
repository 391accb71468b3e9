"""Rules for variable-measure barcodes as they are usual in a country, to begin with.

Where the GS1 organisation of a country publishes its rules, the preset has them; elsewhere every shop sets its scales
itself, and the preset has a usual setting.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from stocky.barcodes.measures import MeasureRule


class MeasurePreset(Struct, kw_only=True, frozen=True):
    """The rules of a country."""

    country: Annotated[str, Meta(description="Two letters (ISO 3166)", examples=["AT"])]
    name: Annotated[str, Meta(description="The country's name in English", examples=["Austria"])]
    basis: Annotated[
        Literal["gs1", "usual"],
        Meta(description="`gs1`: as its GS1 organisation says; `usual`: how scales are often set (try a barcode)"),
    ]
    rules: tuple[MeasureRule, ...]


def _rules(layouts: dict[str, str]) -> tuple[MeasureRule, ...]:
    """Rules by prefix from layouts such as `IIIICWWWWW /1000`, which follows the prefix.

    I is a digit of the item, C the price check digit, and W, P or N a digit of the weight, price or count.
    """
    return tuple(_rule(prefix, *layout.split(" /")) for prefix, layout in layouts.items())


def _rule(prefix: str, digits: str, divisor: str = "1") -> MeasureRule:
    measures: dict[str, Literal["weight", "price", "count"]] = {"W": "weight", "P": "price", "N": "count"}
    divisors: dict[str, Literal[1, 10, 100, 1_000]] = {"1": 1, "10": 10, "100": 100, "1000": 1_000}
    letter = digits[-1]
    return MeasureRule(
        prefix=prefix,
        item_digits=digits.count("I"),
        measure=measures[letter],
        measure_digits=digits.count(letter),
        divisor=divisors[divisor],
        check_position=len(prefix) + digits.index("C") + 1 if "C" in digits else None,
    )


_WEIGHT, _PRICE, _COUNT = "IIIIIWWWWW /1000", "IIIIIPPPPP /100", "IIIIINNNNN"
_GERMAN = {
    "22": "IIIICPPPPP /100",
    "23": "IIIICPPPPP /100",
    "25": "IIIICNNNNN",
    "26": "IIIICNNNNN",
    "28": "IIIICWWWWW /1000",
    "29": "IIIICWWWWW /1000",
}
# The digit after 2 says where the decimal point is.
_BALTIC = {"23": "IIIIIIWWWW /1000", "24": "IIIIIIWWWW /100", "25": "IIIIIIWWWW /10"}
_SCANDINAVIAN = {"20": "IIIIIIPPPP /100", "21": "IIIIIIPPPP /10", "22": "IIIIIIPPPP", **_BALTIC}
_DANISH = {
    **dict.fromkeys(("21", "22", "23", "24"), "IIIIPPPPPP /100"),
    "26": "IIIIWWWWWW /1000",
    "27": "IIIIIWWWWW /1000",
    "28": "IIIIWWWWWW /1000",
}
_AMERICAN = {"02": "IIIIICPPPP /100"}
_PRESETS: list[tuple[str, str, Literal["gs1", "usual"], dict[str, str]]] = [
    ("AT", "Austria", "gs1", {"21": _WEIGHT, "22": _PRICE, "23": _PRICE, "27": _WEIGHT, "28": _COUNT}),
    ("CA", "Canada", "usual", _AMERICAN),
    ("DK", "Denmark", "gs1", _DANISH),
    ("EE", "Estonia", "gs1", _BALTIC),
    ("FI", "Finland", "gs1", _BALTIC),
    ("FR", "France", "usual", {"02": _PRICE, "21": _PRICE, "29": _WEIGHT}),
    ("DE", "Germany", "gs1", _GERMAN),
    ("IT", "Italy", "usual", {"2": "IIIIIIPPPPP /100"}),
    ("LV", "Latvia", "gs1", _BALTIC),
    ("LT", "Lithuania", "gs1", _BALTIC),
    ("NL", "Netherlands", "usual", {"23": _PRICE, "28": _WEIGHT}),
    ("NO", "Norway", "usual", _SCANDINAVIAN),
    ("ES", "Spain", "usual", {"2": "IIIIIIPPPPP /100"}),
    ("SE", "Sweden", "gs1", _SCANDINAVIAN),
    ("CH", "Switzerland", "usual", {"21": _PRICE, "29": _WEIGHT}),
    ("GB", "United Kingdom", "gs1", {"20": "IIIIICPPPP /100"}),
    ("US", "United States", "usual", _AMERICAN),
]
PRESETS = {
    country: MeasurePreset(country=country, name=name, basis=basis, rules=_rules(layouts))
    for country, name, basis, layouts in _PRESETS
}
