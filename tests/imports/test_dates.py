"""Dates as people write them: read where only one reading is possible in the whole file, else asked about."""

from __future__ import annotations

from datetime import date

import pytest
from httpx import AsyncClient

from stocky.imports.cell_values import Unreadable
from stocky.imports.dates import DateOrder, date_of, is_like_date
from tests.imports.importing import counts, imported, stock_of
from tests.imports.test_questions import answer_to, asked

pytestmark = pytest.mark.one_server

YMD, DMY, MDY = DateOrder.YMD, DateOrder.DMY, DateOrder.MDY
NEW_YEAR = date(2026, 12, 31)
CLEAR = {
    "2026-12-31": NEW_YEAR,
    "2026-12-31T00:00:00Z": NEW_YEAR,
    "2026-12-31 23:59:59": NEW_YEAR,
    "2026/12/31": NEW_YEAR,
    "2026. 12. 31.": NEW_YEAR,
    "20261231": NEW_YEAR,
    "2026-2-5": date(2026, 2, 5),
    "31 Dec 2026": NEW_YEAR,
    "31. Dezember 2026": NEW_YEAR,
    "31-DEC-26": NEW_YEAR,
    "December 31, 2026": NEW_YEAR,
    "Dec 31st 2026": NEW_YEAR,
    "1. März 2027": date(2027, 3, 1),
    "12/2026": NEW_YEAR,
    "2026-02": date(2026, 2, 28),
    "Feb 2028": date(2028, 2, 29),
    "30. Sept. 2026": date(2026, 9, 30),
}
ORDERED = {
    "01/02/2027": (None, date(2027, 2, 1), date(2027, 1, 2)),
    "1.2.27": (date(2001, 2, 27), date(2027, 2, 1), date(2027, 1, 2)),
    "31.12.2026": (None, NEW_YEAR, None),
    "31.12.2026 00:00": (None, NEW_YEAR, None),
    "12/31/2026": (None, None, NEW_YEAR),
    "26-12-31": (NEW_YEAR, date(2031, 12, 26), None),
}
WRONG = [
    "29.02.2027", "2027-13-01", "46387", "tomorrow", "31.12.", "1.2.3.4", "٢٠٢٨-٠٢-٢٩", "32 Dec 2026", "0", "DEC1234",
    "Marmalade 26", "31 Septum 2026",
]  # fmt: skip


@pytest.mark.parametrize("text", CLEAR)
def test_date_with_one_reading_needs_no_order(text: str) -> None:
    for order in (None, YMD, DMY, MDY):
        assert date_of(text, order) == CLEAR[text]


@pytest.mark.parametrize("text", ORDERED)
def test_date_is_read_in_the_order_of_its_file(text: str) -> None:
    for order, expected in zip((YMD, DMY, MDY), ORDERED[text], strict=True):
        if expected is None:
            with pytest.raises(Unreadable):
                date_of(text, order)
        else:
            assert date_of(text, order) == expected
    with pytest.raises(Unreadable, match=r"dates=(ymd|dmy|mdy)"):
        date_of(text, None)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_date_is_refused(text: str) -> None:
    for order in (None, DMY, MDY):
        with pytest.raises(Unreadable):
            date_of(text, order)


def test_long_text_is_refused_at_once() -> None:
    with pytest.raises(Unreadable):
        date_of(f"1{' ' * 130_000}2", DMY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-31", True), ("2026-12-31 00:00:00", True), ("31 Dec 2026", True), ("12/2026", True), ("5.6.26", True),
        ("20261231", False), ("SEP26", False), ("24/10/1", False), ("L-2026-12", False), ("A1", False),
    ],
)  # fmt: skip
def test_lot_may_be_a_date(text: str, expected: bool) -> None:
    assert is_like_date(text) is expected


def file(*dates: str) -> str:
    rows = [f"Tea,Shelf {row},1,{text}" for row, text in enumerate(dates, 1)]
    return "name,location,quantity,best before\n" + "\n".join(rows) + "\n"


async def test_one_clear_date_tells_the_order_of_the_file(member: AsyncClient) -> None:
    report = await imported(member, file("01/02/2027", "", "31/12/2026", "2028-01-05", "someday"), partial="true")
    assert counts(report) == (1, 3, 0, 1)
    assert await stock_of(member, "Tea") == [
        ("Shelf 1", 1, "2027-02-01"), ("Shelf 2", 1, None), ("Shelf 3", 1, "2026-12-31"), ("Shelf 4", 1, "2028-01-05"),
    ]  # fmt: skip


async def test_clear_date_may_be_far_down(member: AsyncClient) -> None:
    content = file(*["01/02/2027"] * 300, "12/31/2026")
    report = await imported(member, content, dry_run="true")
    assert report["refused"] == 0
    assert "2027-01-02" in report["changes"][0]["message"]


async def test_ambiguous_dates_are_asked_about(member: AsyncClient) -> None:
    content = file("01/02/2027", "03/04/2027")
    problem = await asked(member, content, dry_run="true")
    (question,) = problem["results"]["questions"]
    assert (question["option"], question["columns"]) == ("dates", ["best before"])
    assert "01/02/2027" in question["message"]
    assert question["answers"] == [
        {"options": {"dates": "dmy"}, "sample": "01/02/2027 is 2027-02-01"},
        {"options": {"dates": "mdy"}, "sample": "01/02/2027 is 2027-01-02"},
    ]
    await imported(member, content, **answer_to(problem, 1))
    assert await stock_of(member, "Tea") == [("Shelf 1", 1, "2027-01-02"), ("Shelf 2", 1, "2027-03-04")]


async def test_dates_of_two_orders_are_asked_about(member: AsyncClient) -> None:
    content = file("31/12/2026", "12/31/2026")
    problem = await asked(member, content)
    assert "31/12/2026 and 12/31/2026" in problem["detail"]
    report = await imported(member, content, partial="true", **answer_to(problem, 0))
    assert [error["line"] for error in report["errors"]] == [3]


async def test_dates_that_are_the_same_in_any_order_are_clear(member: AsyncClient) -> None:
    assert (await imported(member, file("05/05/2027", "5.5.2028"), dry_run="true"))["refused"] == 0


async def test_named_order_asks_nothing(member: AsyncClient) -> None:
    await imported(member, file("01/02/2027"), dates="DMY")
    assert await stock_of(member, "Tea") == [("Shelf 1", 1, "2027-02-01")]
