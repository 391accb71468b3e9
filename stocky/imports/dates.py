"""Reads dates as people write them. Where day and month may be exchanged, the order is that of the whole file.

No date is guessed by itself: an order is known when it is the only one in which every date of the file can be read.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import date

from stocky.imports.cell_values import Unreadable
from stocky.imports.questions import Answer, Question
from stocky.schema import AnyCase

# Texts whose readings are remembered; a file repeats few dates.
_MAX_CACHED = 10_000
# A longer text is no date, and would take long to match.
_LONGEST = 40
# The years of dates with the name of a month, which lot numbers look like.
_YEARS = range(1990, 2101)
_TIME = re.compile(
    r"[T ]\s*\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*([ap]m)?\s*(Z|[+-]\d{2}:?\d{2})?", re.IGNORECASE | re.ASCII
)
_YEAR_FIRST = re.compile(r"(\d{4})\s?[-/.]\s?(\d{1,2})\s?[-/.]\s?(\d{1,2})\.?|((?:19|20)\d{2})(\d{2})(\d{2})", re.ASCII)
_MONTH = re.compile(r"(\d{4})[-/.](\d{1,2})|(\d{1,2})[-/.](\d{4})", re.ASCII)
_THREE = re.compile(r"(\d{1,2})\s?[-/. ]\s?(\d{1,2})\s?[-/. ]\s?(\d{4}|\d{2})\.?", re.ASCII)
_NAMED = re.compile(
    r"(?:(?P<day>\d{1,2})(?:st|nd|rd|th)?[-. /]*)?(?P<month>[^\W\d_]{3,10})[-., /]*"
    r"(?:(?P<later>\d{1,2})(?:st|nd|rd|th)?[-., /]+)?(?P<year>\d{4}|\d{2})",
    re.IGNORECASE,
)
# The names of the months in English and German; each may be shortened to three letters.
_MONTHS = (
    "january januar jänner", "february februar feber", "march märz maerz mrz", "april", "may mai", "june juni",
    "july juli", "august", "september sept", "october oktober", "november", "december dezember",
)  # fmt: skip


class DateOrder(AnyCase):
    """The order of day, month and year in the dates of a file."""

    YMD = "ymd"
    DMY = "dmy"
    MDY = "mdy"


_NAMES = {
    DateOrder.YMD: "year, month, day",
    DateOrder.DMY: "day, month, year",
    DateOrder.MDY: "month, day, year",
}


def is_like_date(text: str) -> bool:
    """Whether a lot is written like a date, as in files from before lots had numbers; `20261231` is a number."""
    return not text.isalnum() and (_clear_date(text) is not None or bool(_readings(text)))


def date_of(text: str, order: DateOrder | None) -> date:
    """A date in this order, which None leaves open. Raises Unreadable, also for a date that needs another order."""
    clear = _clear_date(text)
    if clear is not None:
        return clear
    readings = _readings(text)
    if order in readings:
        return readings[order]
    if not readings:
        raise Unreadable(f"{text!r} is not a date; write it as 2026-12-31")
    if order is not None:
        raise Unreadable(f"{text!r} is not a date in the order {_NAMES[order]}")
    names = " or ".join(f"dates={each.value}" for each in readings)
    raise Unreadable(f"{text!r} is a date in an order that is not known; set {names}")


class DateSurvey:
    """Finds the order of the dates of a file, which it is given one after another."""

    def __init__(self) -> None:
        self._possible = set(DateOrder)
        # For each order, the first date that cannot be read in it.
        self._against: dict[DateOrder, str] = {}
        self._different: dict[frozenset[DateOrder], str] = {}
        self._known: set[str] = set()

    def add(self, text: str) -> None:
        """Adds the text of a cell."""
        if text in self._known or _clear_date(text) is not None:
            return
        if len(self._known) < _MAX_CACHED:
            self._known.add(text)
        readings = _readings(text)
        if not readings:
            return
        for order in DateOrder:
            if order not in readings:
                self._against.setdefault(order, text)
        self._possible &= readings.keys()
        for one in readings:
            for other in readings:
                if readings[one] != readings[other]:
                    self._different.setdefault(frozenset((one, other)), text)

    def order(self) -> DateOrder | None:
        """The only order, or one of several in which all dates are the same; None if there is none or it is unclear."""
        for order in DateOrder:
            if order in self._possible and not any(
                frozenset((order, other)) in self._different for other in self._possible
            ):
                return order
        return None

    def question(self, column: str) -> Question | None:
        """The question about the order, unless it is clear."""
        if self.order() is not None:
            return None
        example = ""
        if self._possible:
            orders = [order for order in DateOrder if order in self._possible]
            example = next(text for several, text in self._different.items() if several <= self._possible)
            dates = " or ".join(_readings(example)[order].isoformat() for order in orders)
            problem = f"{column}: {example} may be {dates}"
        else:
            orders = [order for order in DateOrder if order is not DateOrder.YMD or order not in self._against]
            texts = [self._against[order] for order in (DateOrder.MDY, DateOrder.DMY) if order in self._against]
            problem = f"{column}: {' and '.join(dict.fromkeys(texts))} are dates in different orders"
        names = " or ".join(f"dates={order.value}" for order in orders)
        return Question(
            option="dates",
            columns=[column],
            message=f"{problem}; set {names}",
            answers=[
                Answer(
                    options={"dates": order.value},
                    sample=f"{example} is {_readings(example)[order]}" if example else _NAMES[order],
                )
                for order in orders
            ],
        )


def _clear_date(text: str) -> date | None:
    """A date with one reading; None for any other text."""
    if len(text) > _LONGEST:
        return None
    bare = _TIME.sub("", text)
    if match := _YEAR_FIRST.fullmatch(bare):
        year, month, day = (each for each in match.groups() if each is not None)
        return _date(year, month, day)
    if match := _MONTH.fullmatch(bare):
        year, month = (match[1], match[2]) if match[1] else (match[4], match[3])
        return _end_of_month(year, month)
    if (match := _NAMED.fullmatch(bare)) is not None:
        number = _month(match["month"])
        days = [each for each in (match["day"], match["later"]) if each]
        if number is None or len(days) > 1:
            return None
        found = _date(match["year"], str(number), days[0]) if days else _end_of_month(match["year"], str(number))
        return found if found is not None and found.year in _YEARS else None
    return None


def _month(name: str) -> int | None:
    """The month of a name or its beginning."""
    beginning = name.casefold()
    return next(
        (
            number
            for number, names in enumerate(_MONTHS, 1)
            if any(each.startswith(beginning) for each in names.split())
        ),
        None,
    )


def _readings(text: str) -> dict[DateOrder, date]:
    """The date in each order in which the text is one."""
    match = _THREE.fullmatch(_TIME.sub("", text)) if len(text) <= _LONGEST else None
    return dict(_read(*match.groups())) if match is not None else {}


def _read(first: str, second: str, third: str) -> Iterator[tuple[DateOrder, date]]:
    if len(third) == 2 and (found := _date(first, second, third)):
        yield DateOrder.YMD, found
    if found := _date(third, second, first):
        yield DateOrder.DMY, found
    if found := _date(third, first, second):
        yield DateOrder.MDY, found


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year) if len(year) == 4 else 2000 + int(year), int(month), int(day))
    except ValueError:
        return None


def _end_of_month(year: str, month: str) -> date | None:
    first = _date(year, month, "1")
    return None if first is None else first.replace(day=monthrange(first.year, first.month)[1])
