"""Forms: read by the types of the API, with all errors at once."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.catalogue.schemas import ItemChange, NewItem
from stocky.errors import BadRequest, NotFound, Stale
from stocky.pages.forms import Form, changed_values, filled, parse_form, shown_fields
from stocky.quantity import Quantity
from stocky.schema import AnyCase


class Kind(AnyCase):
    A = "a"
    B = "b"


class Thing(Struct, kw_only=True):
    name: Annotated[str, Meta(min_length=2, max_length=10)]
    note: str = "none"
    amount: Quantity = 1
    count: Annotated[int, Meta(ge=1, le=1000)] | None = 5
    day: date | None = None
    at: datetime | None = None
    kind: Kind = Kind.A
    is_on: bool = True
    may_be: bool | None = None
    tags: list[Annotated[str, Meta(min_length=1)]] = []
    ids: list[int] = []
    change: str | None | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("name: must be good")
        if self.name == "worse":
            raise ValueError("All of it is wrong")


def thing(**fields: Any) -> Form[Thing]:
    typed = {name: value if isinstance(value, list) else [value] for name, value in fields.items()}
    return parse_form(typed, Thing)


def test_absent_fields_have_their_defaults() -> None:
    assert thing(name="Tea").data == Thing(name="Tea")


def test_empty_fields() -> None:
    empty = dict.fromkeys(("note", "amount", "count", "day", "kind", "may_be", "tags", "ids", "change"), "")
    assert thing(name="Tea", **empty).data == Thing(name="Tea", note="", count=None, change="", tags=[], ids=[])


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.5", 1.5), ("1,5", 1.5), (" 2 ", 2), ("0", 0), ("1000,125", 1000.125), ("+3", 3), (".5", 0.5), ("7,", 7)],
)
def test_numbers(text: str, number: float) -> None:
    assert thing(name="Tea", amount=text).data.amount == number


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "1.2.3",
        "1,2,3",
        "1.000,5",
        "nan",
        "inf",
        "1e3",
        "0x10",
        "1_0",
        "١",
        "--1",
        "1.00012345678901234567",
        "9" * 400,
    ],
)
def test_odd_numbers_are_refused(text: str) -> None:
    assert thing(name="Tea", amount=text).errors.keys() == {"amount"}
    if text != "1.00012345678901234567":
        assert thing(name="Tea", count=text).errors.keys() == {"count"}


@pytest.mark.parametrize(
    ("text", "german", "english"),
    [
        ("1.500", None, 1.5),
        ("1,500", 1.5, None),
        ("1.500,25", 1500.25, None),
        ("1,500.25", None, 1500.25),
        ("1.500.000", 1_500_000, None),
        ("1.5", 1.5, 1.5),
        ("0.125", 0.125, 0.125),
        ("1500", 1500, 1500),
    ],
)
def test_numbers_with_separators_of_thousands(text: str, german: float | None, english: float | None) -> None:
    for language, number in (("de", german), ("en", english)):
        form = parse_form({"name": ["Tea"], "amount": [text]}, Thing, language=language)
        assert (form.data.amount if form.has_data else None) == number, language
    unclear = parse_form({"name": ["Tea"], "amount": ["1.500"]}, Thing, language="de")
    assert unclear.errors == {"amount": "may be 1500 or 1,500; write it without ."}


def test_whole_numbers() -> None:
    assert thing(name="Tea", count="12").data.count == 12
    assert thing(name="Tea", count="1,5").errors == {"count": "must be a whole number"}
    assert thing(name="Tea", count="0").errors == {"count": "must be at least 1"}
    assert thing(name="Tea", count="\N{MINUS SIGN}3").errors == {"count": "must be at least 1"}


def test_all_errors_at_once() -> None:
    form = thing(note="kept", amount="x", day="31.1.2026", kind="c", ids=["1", "x"], is_on="perhaps")
    assert form.status == 422
    assert form.errors == {
        "name": "is required",
        "amount": "must be a number",
        "day": "must be a date like 2026-01-31",
        "kind": "must be one of a, b",
        "ids": "must be a number",
        "is_on": "must be true or false, got text",
    }
    assert form.text("note") == "kept"
    assert form.text("amount") == "x"
    assert form.texts("ids") == ["1", "x"]
    with pytest.raises(ValueError, match="no data"):
        print(form.data)


def test_rules_between_fields() -> None:
    assert thing(name="bad").errors == {"name": "must be good"}
    form = thing(name="worse")
    assert form.errors == {"": "All of it is wrong"}
    assert form.general_error == "All of it is wrong"


def test_check_boxes() -> None:
    assert thing(name="Tea", is_on=["false", "true"]).data.is_on is True
    assert thing(name="Tea", is_on=["false"]).data.is_on is False
    assert thing(name="Tea").data.is_on is True, "a form without the box"
    assert parse_form({"name": ["Tea"]}, Thing, boxes=["is_on"]).data.is_on is False, "a box that is not ticked"
    assert thing(name="Tea", may_be="on").data.may_be is True


def test_lists_and_dates() -> None:
    data = thing(name="Tea", tags=["a", "", "b"], ids=["3", "4"], day="2026-01-31", at="2026-01-31T12:00:00Z").data
    assert (data.tags, data.ids, data.day) == (["a", "b"], [3, 4], date(2026, 1, 31))


def test_fields_that_no_form_may_set() -> None:
    assert parse_form({"name": ["Tea"], "note": ["x"]}, Thing, without=["note"]).data.note == "none"


def test_structs_of_the_api() -> None:
    new = parse_form({"name": ["Tea"], "min_quantity": ["2,5"], "tags": ["a", "b"], "upc": [""]}, NewItem).data
    assert (new.name, new.min_quantity, new.tags, new.upc) == ("Tea", 2.5, ["a", "b"], None)
    change = parse_form({"min_quantity": [""], "description": [""]}, ItemChange)
    assert change.errors == {}
    assert parse_form({"name": ["x" * 1_000]}, NewItem).errors["name"].startswith("must have at most")


def test_values_to_edit() -> None:
    form = filled(Thing(name="Tea", is_on=True, tags=["a"]))
    assert (form.text("name"), form.text("day"), form.checked("is_on"), form.texts("tags")) == ("Tea", "", True, ["a"])
    assert filled({"x": None}).text("x", "else") == "else"


def test_errors_of_the_work() -> None:
    form = thing(name="Tea")
    with form.catching():
        raise BadRequest("The name is taken", field="name")
    assert (form.status, form.error("name"), form.general_error) == (400, "The name is taken", "")
    with form.catching():
        raise Stale("It was changed meanwhile")
    assert (form.status, form.general_error) == (412, "It was changed meanwhile")
    with pytest.raises(NotFound), form.catching():
        raise NotFound("Nothing is there")
    form.refuse(BadRequest("Not shown", field="elsewhere"))
    assert "elsewhere: Not shown" in form.general_error


@pytest.mark.parametrize(
    ("sent", "changed"),
    [
        ({"name": "Tea", "was-name": "Tea"}, {}),
        ({"name": "Tea", "was-name": ""}, {"name": "Tea"}),
        ({"name": "Tea"}, {"name": "Tea"}),
        ({"box": "", "was-box": ""}, {}),
        ({"box": "true", "was-box": ""}, {"box": "true"}),
        ({"place": "1", "was-place": "1", "place_text": "Shelf", "was-place_text": "Shelf"}, {}),
        (
            {"place": "", "was-place": "", "place_text": "", "was-place_text": "Shelf"},
            {"place": "", "place_text": ""},
        ),
        (
            {"place": "2", "was-place": "1", "place_text": "Shelf", "was-place_text": "Shelf"},
            {"place": "2", "place_text": "Shelf"},
        ),
    ],
)
def test_changed_values(sent: dict[str, str], changed: dict[str, str]) -> None:
    values = changed_values({name: [value] for name, value in sent.items()})
    assert {name: value for name, [value] in values.items() if not name.startswith("was-")} == changed


def test_shown_fields_stay_after_an_error() -> None:
    assert shown_fields(Form(), {"name": "Tea", "note": None}) == {"was-name": "Tea", "was-note": ""}
    assert shown_fields(Form({"was-name": ["Coffee"]}), {"name": "Tea"}) == {"was-name": "Coffee"}


def test_boxes_of_one_name_are_one_field() -> None:
    was = shown_fields(Form(), {"on": True, "off": False, "types": ["b", "a"]})
    assert was == {"was-on": "true", "was-off": "", "was-types": "a,b"}
    hidden = {"was-types": ["a,b"]}
    assert changed_values({"types": ["b", "a"], **hidden}) == hidden
    assert changed_values({"types": ["a"], **hidden}) == {"types": ["a"], **hidden}
