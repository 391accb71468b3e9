"""Command labels under other keyboard layouts: the same command, or recognised as mangled; never a barcode."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocky.barcodes.codes import with_check_digit
from stocky.barcodes.command_codes import (
    DAMAGED,
    NOT_A_BARCODE,
    ShortCode,
    describe_refusal,
    find_command,
    make_short_code,
    read_short_code,
)
from stocky.barcodes.reader import read_code
from tests.barcodes.corpus import MEASURED, READ
from tests.barcodes.layouts import LAYOUTS, typed

SHORT = [
    *(ShortCode(word, None) for word in ("PUT", "OUT", "RELOC", "LOOKUP", "COUNT", "NOLOC", "UNDO")),
    *(ShortCode("LOC", number) for number in (1, 7, 1_234_567_890, 2**53 - 1)),
    *(ShortCode("NEXT", number) for number in (2, 12, 1_000)),
    ShortCode("FOR", 3),
]
JSON = [
    *({"command": "set_mode", "payload": {"mode": mode}} for mode in ("add", "remove", "move", "lookup", "count")),
    {"command": "set_location", "payload": {"location_id": 17}},
    {"command": "set_location", "payload": {"name": "Garage 2"}},
    {"command": "associate_ui", "payload": {"user_id": 3}},
    {"command": "show_view", "payload": {"view": "low-stock"}},
    {"command": "undo"},
]
# With the letters of the Latin ones in their usual places, but for A, Q, W, Z, Y and M.
SURVIVED = [name for name in LAYOUTS if name not in
            {"Dvorak", "Colemak", "Bépo", "Turkish F", "Russian", "Ukrainian", "Serbian", "Greek"}]  # fmt: skip


@pytest.mark.parametrize("code", SHORT, ids=str)
def test_short_code_has_only_capitals(code: ShortCode) -> None:
    text = make_short_code(*code)
    assert text.startswith("STOCKY")
    assert text.isascii()
    assert text.isalpha()
    assert text.isupper()
    assert not set(text[6:]) & set("AMQWYZI")
    assert read_short_code(text) == code


@pytest.mark.parametrize("caps_lock", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_short_code_is_the_same_command_or_recognised(layout: str, caps_lock: bool) -> None:
    for code in SHORT:
        text = typed(make_short_code(*code), layout, caps_lock=caps_lock)
        found = find_command(f"{text}\r")
        assert found is not None, text
        if layout in SURVIVED and (layout != "Hebrew" or not caps_lock):
            assert found.kind == "short", text
            assert read_short_code(found.text) == code
        else:
            assert found.kind == "mangled", text


@pytest.mark.parametrize("caps_lock", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_json_command_is_recognised(layout: str, caps_lock: bool) -> None:
    for command in JSON:
        for separators in ((",", ":"), (", ", ": ")):
            text = typed(json.dumps(command, separators=separators), layout, caps_lock=caps_lock)
            found = find_command(text)
            assert found is not None, text
            assert found.kind == "mangled", text
            assert "keyboard layout" in (describe_refusal(text) or "")


@pytest.mark.parametrize("text", ["['command';'undo']", '{"COMMAND":"UNDO"}', "\x02ÜÄcommandÄÖÄundoÄ*\r\n"])
def test_other_mangled_commands_are_recognised(text: str) -> None:
    found = find_command(text)
    assert found is not None
    assert found.kind == "mangled"


def read_or_none(text: str) -> ShortCode | None:
    try:
        return read_short_code(text)
    except ValueError as error:
        assert str(error) == DAMAGED  # noqa: PT017 - a damaged code is one of the two results
        return None


@given(st.sampled_from(SHORT), st.integers(0, 30), st.sampled_from("BCDEFGHJKLNOPRSTUVX"))
def test_one_wrong_letter_is_found_out(code: ShortCode, at: int, letter: str) -> None:
    text = make_short_code(*code)
    at = 6 + at % (len(text) - 6)
    damaged = f"{text[:at]}{letter}{text[at + 1 :]}"
    found = find_command(damaged)
    assert found is not None
    assert read_or_none(found.text) == (code if damaged == text else None)


def test_lost_letters_are_found_out() -> None:
    wrong = 0
    for code in SHORT:
        text = make_short_code(*code)
        for at in range(6, len(text)):
            lost = f"{text[:at]}{text[at + 1 :]}"
            if len(lost) >= 11:
                assert find_command(lost) is not None
                wrong += read_or_none(lost) not in (None, code)
    assert wrong == 0


@pytest.mark.parametrize(
    "text",
    [*READ, *MEASURED, "STOCKY", "STOCKYARD", "STOCKYARD SALE", "STOCKYARDSALE", "STOCKY-1", "STOCKY 12345678",
     "stockyards-of-mine", "command", "COMMAND-7", "command-line-tools", "commando raid 1", "a-command-b", "[command]",
     '["command"]', "oyrjtf", "--------", "(((((((((((((", "co-mmand"],
)  # fmt: skip
def test_barcode_is_no_command(text: str) -> None:
    assert find_command(text) is None
    assert describe_refusal(text) is None


@pytest.mark.parametrize("number", ["4006381333931", "96385074", "036000291452", "14006381333938", "5901234123457"])
async def test_number_typed_with_other_digits_is_reported(number: str) -> None:
    for layout in ("French", "Belgian", "Czech"):
        text = typed(number, layout)
        read = await read_code(text, ())
        assert f"this is the barcode {number}" in (read.problem or ""), text
    for layout in SURVIVED:
        if layout not in ("French", "French, dead keys", "Belgian", "Czech", "Hungarian"):
            assert typed(number, layout) == number


async def test_text_of_a_command_is_no_barcode() -> None:
    for text in (make_short_code("UNDO"), '{"command":"undo"}'):
        assert (await read_code(text, ())).problem == NOT_A_BARCODE
    assert (await read_code("STOCKYUNDOXX", ())).problem == DAMAGED
    number = with_check_digit("400638133393")
    assert (await read_code(number, ())).problem is None


@pytest.mark.parametrize("text", ["99-88-77", "99-88-77-4", "4-006-381(3)", "12345é78"])
def test_number_with_some_digits_is_a_barcode(text: str) -> None:
    assert describe_refusal(text) is None
