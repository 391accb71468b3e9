"""A plain model of the ledger, one event after the other, to compare the real one with.

Each SKU has its own unit; conversion between units uses fractions.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import NamedTuple

# The grams, or pieces, in one of each unit.
SIZES = {"kg": ("mass", 1000), "g": ("mass", 1), "mg": ("mass", Fraction(1, 1000)), "piece": ("count", 1)}


class Key(NamedTuple):
    """A SKU: an item at a location, of one lot or of none."""

    item: int
    location: int
    lot: date | None


@dataclass(frozen=True)
class Sent:
    """One event as a client sends it; `lot` and `unit` are optional."""

    type: str
    item: int
    location: int
    milli: int
    lot: date | None = None
    to: int | None = None
    event_id: str | None = None
    unit: str | None = None


@dataclass
class Row:
    """A row of the ledger. Rows of one `change` are undone together."""

    change: int
    kind: str
    key: Key
    delta: int
    after: int
    batch: int | None
    is_undone: bool = False


class Answer(NamedTuple):
    status: str
    after: int | None = None


class RejectedError(Exception):
    """The rules reject the event."""


@dataclass
class Model:
    policies: dict[int, str]
    # In the order of creation.
    levels: dict[Key, int] = field(default_factory=dict)
    units: dict[Key, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    answers: dict[str, tuple[Sent, Answer]] = field(default_factory=dict)
    changes: int = 0

    def post(self, events: list[Sent], batch: int, *, atomic: bool) -> list[Answer] | None:
        """The answers, or None for a rejected atomic request."""
        before = copy.deepcopy(self.__dict__)
        answers = [self._answer(event, batch) for event in events]
        if atomic and any(answer.status == "rejected" for answer in answers):
            self.__dict__.update(before)
            return None
        return answers

    def undo(self, rows: list[Row]) -> list[Row] | None:
        """The compensating rows, or None if the undo is rejected."""
        before = copy.deepcopy(self.__dict__)
        numbers = [number for number, row in enumerate(self.rows) if row in rows]
        try:
            if not numbers:
                raise RejectedError
            return self._undo(numbers)
        except RejectedError:
            self.__dict__.update(before)
            return None

    def of_change(self, change: int) -> list[Row]:
        return [row for row in self.rows if row.change == change]

    def of_batch(self, batch: int) -> list[Row]:
        """The rows of a batch that are not undone."""
        return [row for row in self.rows if row.batch == batch and not row.is_undone]

    def total(self, item: int) -> int:
        """The thousandths of an item's main unit, of the stock that can be converted into it."""
        main, total = self._unit(item), Fraction(0)
        for key, milli in self.levels.items():
            if key.item == item and (worth := _worth(self.units[key], main)):
                total += milli * worth
        return int(abs(total) + Fraction(1, 2)) * (1 if total >= 0 else -1)

    def _answer(self, event: Sent, batch: int) -> Answer:
        if event.event_id in self.answers:
            first, answer = self.answers[event.event_id]
            if first != event:
                return Answer("rejected")
            return Answer("duplicate", answer.after) if answer.status == "applied" else answer
        levels, units, rows = dict(self.levels), dict(self.units), len(self.rows)
        self.changes += 1
        try:
            getattr(self, f"_{event.type}")(event)
            for row in self.rows[rows:]:
                row.batch = batch
            answer = Answer("applied", self.rows[rows].after)
        except RejectedError:
            self.levels, self.units = levels, units
            del self.rows[rows:]
            answer = Answer("rejected")
        if event.event_id is not None:
            self.answers[event.event_id] = (event, answer)
        return answer

    def _add(self, event: Sent) -> None:
        key = Key(event.item, event.location, event.lot)
        self._book("add", key, self._in_its_unit(event, key))

    def _remove(self, event: Sent) -> None:
        taken, missing, unit = self._available(event)
        policy = self.policies[event.item]
        if missing and (policy == "reject" or (policy == "clamp" and not taken)):
            raise RejectedError
        if missing and policy == "allow":
            last = Key(event.item, event.location, event.lot)
            self._open(event, last)
            taken[last] = taken.get(last, 0) + _converted(missing, unit, self.units[last])
        for key, milli in taken.items():
            self._book("remove", key, -milli)

    def _move(self, event: Sent) -> None:
        assert event.to is not None
        if event.to == event.location:
            raise RejectedError
        taken, missing, _ = self._available(event)
        if missing:
            raise RejectedError
        for key, milli in taken.items():
            there = key._replace(location=event.to)
            self.units.setdefault(there, self.units[key])
            self._book("move", key, -milli)
            self._book("move", there, _converted(milli, self.units[key], self.units[there]))

    def _set(self, event: Sent) -> None:
        key = Key(event.item, event.location, event.lot)
        if event.lot is None:
            here = [each for each in self.levels if each[:2] == key[:2]]
            with_stock = [each for each in here if self.levels[each]]
            if len(with_stock) > 1:
                raise RejectedError
            if len(with_stock or here) == 1:
                key = (with_stock or here)[0]
        self._book("set", key, self._in_its_unit(event, key) - self.levels.get(key, 0))

    def _unit(self, item: int, location: int | None = None) -> str:
        """The unit of the oldest SKU there, or else of the oldest one anywhere."""
        of_item = [key for key in self.levels if key.item == item]
        there = [key for key in of_item if location in (None, key.location)]
        return self.units[(there or of_item)[0]] if of_item else "piece"

    def _open(self, event: Sent, key: Key) -> None:
        """Creates the SKU if it is missing, in the unit of the event or of the stock there."""
        if key not in self.levels:
            self.units[key] = event.unit or self._unit(event.item, event.location)

    def _in_its_unit(self, event: Sent, key: Key) -> int:
        self._open(event, key)
        return _converted(event.milli, event.unit or self.units[key], self.units[key])

    def _undo(self, numbers: list[int]) -> list[Row]:
        self.changes += 1
        first = len(self.rows)
        for number in reversed(numbers):
            row = self.rows[number]
            if row.kind == "undo" or row.is_undone:
                raise RejectedError
            self.rows[number] = replace(row, is_undone=True)
            self._book("undo", row.key, -row.delta)
        undone = self.rows[first:]
        for key in {row.key for row in undone}:
            before = next(row.after - row.delta for row in undone if row.key == key)
            if self.levels[key] < min(0, before) and self.policies[key.item] != "allow":
                raise RejectedError
        return undone

    def _available(self, event: Sent) -> tuple[dict[Key, int], Fraction, str]:
        """The stock to take lot by lot, earliest expiry first; the missing quantity, and its unit."""
        keys = [
            key
            for key in self.levels
            if key[:2] == (event.item, event.location) and event.lot in (None, key.lot)
        ]  # fmt: skip
        unit = event.unit or (self.units[keys[0]] if keys else self._unit(event.item, event.location))
        others = [key for key in keys if not _worth(self.units[key], unit)]
        if event.unit is None and any(self.levels[key] for key in others):
            raise RejectedError
        if keys and len(others) == len(keys):
            raise RejectedError
        taken: dict[Key, int] = {}
        missing = Fraction(event.milli)
        for key in sorted(keys, key=lambda key: key.lot or date.max):
            worth = _worth(self.units[key], unit)
            if missing and worth and self.levels[key] > 0:
                there = self.levels[key] * worth
                taken[key] = self.levels[key] if there <= missing else _converted(missing, unit, self.units[key])
                missing -= min(there, missing)
        return taken, missing, unit

    def _book(self, kind: str, key: Key, delta: int) -> None:
        self.levels[key] = self.levels.get(key, 0) + delta
        self.rows.append(Row(self.changes, kind, key, delta, self.levels[key], None))


def _worth(unit: str, into: str) -> Fraction | None:
    """How many of `into` are in one `unit`; None if they are of two kinds."""
    (kind, size), (into_kind, into_size) = SIZES[unit], SIZES[into]
    return Fraction(size) / into_size if kind == into_kind else None


def _converted(milli: int | Fraction, unit: str, into: str) -> int:
    worth = _worth(unit, into)
    if worth is None or (milli * worth).denominator != 1:
        raise RejectedError
    return int(milli * worth)
