"""The ledger as one would do it by hand, one event after the other: what the real one is compared with."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple


class Key(NamedTuple):
    """A SKU: an item at a place, of one lot or of none."""

    item: int
    place: int
    lot: date | None


@dataclass(frozen=True)
class Sent:
    """One event as a client sends it. A `lot` of None names none."""

    type: str
    item: int
    place: int
    milli: int
    lot: date | None = None
    to: int | None = None
    event_id: str | None = None


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


class RefusedError(Exception):
    """The rules say no."""


@dataclass
class Model:
    policies: dict[int, str]
    levels: dict[Key, int] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    answers: dict[str, tuple[Sent, Answer]] = field(default_factory=dict)
    changes: int = 0

    def post(self, events: list[Sent], batch: int, *, atomic: bool) -> list[Answer] | None:
        """The answers, or None for an atomic request that is refused."""
        before = copy.deepcopy(self.__dict__)
        answers = [self._answer(event, batch) for event in events]
        if atomic and any(answer.status == "rejected" for answer in answers):
            self.__dict__.update(before)
            return None
        return answers

    def undo(self, rows: list[Row]) -> list[Row] | None:
        """The compensating rows, or None when it is refused."""
        before = copy.deepcopy(self.__dict__)
        numbers = [number for number, row in enumerate(self.rows) if row in rows]
        try:
            if not numbers:
                raise RefusedError
            return self._undo(numbers)
        except RefusedError:
            self.__dict__.update(before)
            return None

    def of_change(self, change: int) -> list[Row]:
        return [row for row in self.rows if row.change == change]

    def of_batch(self, batch: int) -> list[Row]:
        """What is left of it to undo."""
        return [row for row in self.rows if row.batch == batch and not row.is_undone]

    def _answer(self, event: Sent, batch: int) -> Answer:
        if event.event_id in self.answers:
            first, answer = self.answers[event.event_id]
            if first != event:
                return Answer("rejected")
            return Answer("duplicate", answer.after) if answer.status == "applied" else answer
        levels, rows = dict(self.levels), len(self.rows)
        self.changes += 1
        try:
            getattr(self, f"_{event.type}")(event)
            for row in self.rows[rows:]:
                row.batch = batch
            answer = Answer("applied", self.rows[rows].after)
        except RefusedError:
            self.levels = levels
            del self.rows[rows:]
            answer = Answer("rejected")
        if event.event_id is not None:
            self.answers[event.event_id] = (event, answer)
        return answer

    def _add(self, event: Sent) -> None:
        self._book("add", Key(event.item, event.place, event.lot), event.milli)

    def _remove(self, event: Sent) -> None:
        taken = self._available(event)
        missing = event.milli - sum(taken.values())
        policy = self.policies[event.item]
        if missing and (policy == "reject" or (policy == "clamp" and not taken)):
            raise RefusedError
        if missing and policy == "allow":
            last = Key(event.item, event.place, event.lot)
            taken[last] = taken.get(last, 0) + missing
        for key, milli in taken.items():
            self._book("remove", key, -milli)

    def _move(self, event: Sent) -> None:
        assert event.to is not None
        taken = self._available(event)
        if event.to == event.place or sum(taken.values()) < event.milli:
            raise RefusedError
        for key, milli in taken.items():
            self._book("move", key, -milli)
            self._book("move", key._replace(place=event.to), milli)

    def _set(self, event: Sent) -> None:
        key = Key(event.item, event.place, event.lot)
        if event.lot is None:
            here = [each for each in self.levels if each[:2] == key[:2]]
            with_stock = [each for each in here if self.levels[each]]
            if len(with_stock) > 1:
                raise RefusedError
            if len(with_stock or here) == 1:
                key = (with_stock or here)[0]
        self._book("set", key, event.milli - self.levels.get(key, 0))

    def _undo(self, numbers: list[int]) -> list[Row]:
        self.changes += 1
        first = len(self.rows)
        for number in reversed(numbers):
            row = self.rows[number]
            if row.kind == "undo" or row.is_undone:
                raise RefusedError
            self.rows[number] = replace(row, is_undone=True)
            self._book("undo", row.key, -row.delta)
        undone = self.rows[first:]
        for key in {row.key for row in undone}:
            before = next(row.after - row.delta for row in undone if row.key == key)
            if self.levels[key] < min(0, before) and self.policies[key.item] != "allow":
                raise RefusedError
        return undone

    def _available(self, event: Sent) -> dict[Key, int]:
        """What can be taken for it, lot by lot, earliest expiry first."""
        keys = [
            key
            for key, milli in self.levels.items()
            if key[:2] == (event.item, event.place) and event.lot in (None, key.lot) and milli > 0
        ]
        taken: dict[Key, int] = {}
        for key in sorted(keys, key=lambda key: key.lot or date.max):
            if milli := min(self.levels[key], event.milli - sum(taken.values())):
                taken[key] = milli
        return taken

    def _book(self, kind: str, key: Key, delta: int) -> None:
        self.levels[key] = self.levels.get(key, 0) + delta
        self.rows.append(Row(self.changes, kind, key, delta, self.levels[key], None))
