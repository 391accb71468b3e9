"""The rules for variable-measure barcodes, and the presets of countries."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from biip.checksums import gs1_standard_check_digit
from biip.rcn import _RCN_RULES
from hypothesis import given
from hypothesis import strategies as st

from stocky.barcodes.codes import normalize_barcode, printed
from stocky.barcodes.measure_presets import PRESETS
from stocky.barcodes.measures import MeasureRule, check_rules, item_number
from stocky.barcodes.reader import read_here

CHEESE: dict[str, Any] = {"prefix": "28", "item_digits": 5, "measure": "weight", "measure_digits": 5, "divisor": 1000}


def rule(**fields: Any) -> MeasureRule:
    return msgspec.convert(CHEESE | fields, MeasureRule)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prefix": "30"}, "prefix"),
        ({"prefix": "0"}, "prefix"),
        ({"prefix": "03"}, "prefix"),
        ({"prefix": "28\n"}, "prefix"),
        ({"prefix": "2८"}, "prefix"),
        ({"prefix": ""}, "prefix"),
        ({"item_digits": 4}, "11 digits; together they must be 12"),
        ({"item_digits": 6}, "13 digits; together they must be 12"),
        ({"check_position": 8}, "13 digits"),
        ({"item_digits": 4, "check_position": 2}, "from 3 to 12"),
        ({"item_digits": 4, "check_position": 13}, "from 3 to 12"),
        ({"measure": "length"}, "measure"),
        ({"measure": "count"}, "divisor"),
        ({"divisor": 7}, "divisor"),
        ({"divisor": 0}, "divisor"),
        ({"item_digits": 0, "measure_digits": 10}, "item_digits"),
        ({"skip": 1}, "skip"),
    ],
)
def test_rule_that_cannot_be_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refusal:
        rule(**fields)
    assert words in str(refusal.value)


def test_two_rules_for_a_prefix_are_refused() -> None:
    check_rules([rule(), rule(prefix="2", item_digits=6)])
    with pytest.raises(ValueError, match="two rules for the prefix 28"):
        check_rules([rule(), rule(prefix="27"), rule(item_digits=4, check_position=7)])


def test_presets_are_those_that_gs1_organisations_publish() -> None:
    """A second reading of what they publish: the rules of biip."""
    for region, rules in _RCN_RULES.items():
        preset = {each.prefix: each for each in PRESETS[region.value.upper()].rules}
        assert {
            prefix: (
                each.measure,
                len(prefix) + each.item_digits,
                each.measure_digits,
                each.divisor,
                each.check_position,
            )
            for prefix, each in preset.items()
        } == {
            prefix: (
                known.measure_type.value,
                known.pattern.count("P"),
                known.pattern.count("V"),
                10**known.num_decimals,
                known.pattern.index("C") + 1 if "C" in known.pattern else None,
            )
            for prefix, known in rules.items()
        }, region


def test_presets_are_rules_that_a_client_may_send() -> None:
    for preset in PRESETS.values():
        sent = msgspec.json.encode(preset.rules)
        assert msgspec.json.decode(sent, type=tuple[MeasureRule, ...]) == preset.rules
        check_rules(preset.rules)


@given(
    st.sampled_from(sorted(PRESETS)).flatmap(lambda country: st.sampled_from(PRESETS[country].rules)),
    st.text("0123456789", min_size=10, max_size=10),
    st.text("0123456789", min_size=8, max_size=8),
)
def test_pieces_of_an_item_have_its_number(rule: MeasureRule, digits: str, measure: str) -> None:
    payload = list((rule.prefix + digits + measure)[:12])
    pieces = set()
    for value in (measure, measure[::-1], "00000007"):
        for index, digit in zip(rule.positions, value, strict=False):
            payload[index] = digit
        piece = "".join(payload)
        pieces.add(piece + str(gs1_standard_check_digit(piece)))
    keys = {read_here(piece, [rule]).key for piece in pieces}
    assert len(keys) == 1
    number = printed(keys.pop())
    # The number of a number is itself, and stays the same barcode without the rule.
    again = read_here(number, [rule])
    assert (again.key, again.milligrams, again.count, again.price) == (normalize_barcode(number), None, None, None)
    assert item_number(number, [rule]) is None
    assert read_here(number, []).key == again.key


@given(st.text("0123456789", min_size=0, max_size=18))
def test_other_numbers_stay_what_they_are(text: str) -> None:
    rules = [each for preset in PRESETS.values() for each in preset.rules]
    key = normalize_barcode(text)
    if not key.startswith(("02", "002")):
        assert read_here(text, rules) == read_here(text, [])
        assert item_number(text, rules) is None
