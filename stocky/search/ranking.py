"""How well an item matches what was typed: one order for both databases, with no database in it.

Code and barcode first, then the name itself, how it begins, words that begin so, what contains it, what is similar.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cached_property

from msgspec import Struct

from stocky.search.normalize import FIELDS, trigrams, words_of

# Words beyond these narrow a search no further.
MOST_WORDS = 8
# Of one item, so many different words are compared at most: those that tell most come first.
MOST_OTHERS = 200
# As pg_trgm has it: words that are less similar are others.
SIMILAR = 0.3
# What a word is worth that is one slip of the finger away; in short words that leaves few trigrams alike.
ONE_SLIP = 0.6
# From so many letters on it is a slip; `tea` is no `pea`, but `tae` is `tea`.
SLIPPERY = 4
# What is said in passing counts a little less.
_PASSING = {"description": 0.85, "documents": 0.85, "barcodes": 0.95}
_WEIGHTS = [_PASSING.get(field, 1.0) for field in FIELDS]
_NAME = FIELDS.index("name")
_MANUFACTURER_CODE = FIELDS.index("manufacturer_code")


class Kind(IntEnum):
    """How it matches, best first."""

    EXACT = 0
    WHOLE = 1
    BEGINS = 2
    NAME_WORDS = 3
    WORDS = 4
    CONTAINS = 5
    SIMILAR = 6


class Ranked(Struct, frozen=True, gc=False):
    """How an item matches: `order` sorts the better one first; `score` is 1 for all but what is merely similar."""

    kind: Kind
    places: list[int]
    score: float
    order: tuple[float | str, ...]

    @property
    def fields(self) -> list[str]:
        """Where what was typed is."""
        return [FIELDS[place] for place in sorted(set(self.places))]


class Closeness(dict[str, float]):
    """How close other words are to one, worked out once for each: the same words are in many items.

    From SIMILAR to 1, or 0: shared trigrams of all trigrams, as pg_trgm's similarity() has it.
    """

    def __init__(self, word: str) -> None:
        super().__init__({word: 1.0})
        self._word = word
        self._trigrams = trigrams(word)

    def __missing__(self, other: str) -> float:
        found = trigrams(other)
        shared = len(self._trigrams & found)
        closeness = shared / (len(self._trigrams) + len(found) - shared) if shared else 0.0
        # One slip leaves the first letter or the last one as it is.
        may_be = other[0] == self._word[0] or other[-1] == self._word[-1]
        if may_be and closeness < ONE_SLIP and abs(len(other) - len(self._word)) <= 1 and _is_slip(self._word, other):
            closeness = ONE_SLIP
        self[other] = closeness = closeness if closeness >= SIMILAR else 0.0
        return closeness


class Query:
    """What was typed, as words."""

    def __init__(self, typed: str) -> None:
        self.typed = typed.strip()
        self.text = words_of(typed)
        # The longest first: they tell most.
        self.words = sorted(dict.fromkeys(self.text.split()), key=len, reverse=True)[:MOST_WORDS]
        # As they are in the text of an item that has them: at the beginning of a word, or as the whole of it.
        self.beginnings = [f" {word}" for word in self.words]
        self.wholes = [f" {word} " for word in self.words]

    @property
    def is_terse(self) -> bool:
        """Whether the signs in it tell more than the letters, as in `c#`."""
        return self.typed.lower() != self.text and all(len(word) < 3 for word in self.words)

    @cached_property
    def closeness(self) -> list[Closeness]:
        return [Closeness(word) for word in self.words]


def exact(item_id: int, field: str) -> Ranked:
    """An item whose code or barcode was typed."""
    place = FIELDS.index(field)
    return Ranked(Kind.EXACT, [place], 1.0, (Kind.EXACT, place, item_id))


def verbatim(item_id: int, field: str) -> Ranked:
    """An item that has what was typed in it, signs and all, where the signs tell more than the letters."""
    place = FIELDS.index(field)
    return Ranked(Kind.CONTAINS, [place], 1.0, (Kind.WHOLE, place, item_id))


def rank(query: Query, item_id: int, text: str, *, similar: bool) -> Ranked | None:
    """How the item with this text matches, or None. Only where `similar` is asked for it may be merely that."""
    lines = text.split("\n")
    name = _words(lines[_NAME])
    kind = _whole(query, lines, name)
    if kind is None:
        if _has_all(lines[_NAME], query.beginnings):
            kind = Kind.NAME_WORDS
        elif _has_all(text, query.beginnings):
            kind = Kind.WORDS
        elif _has_all(text, query.words):
            kind = Kind.CONTAINS
        else:
            return _similar(query, item_id, lines, name) if similar else None
    if kind in (Kind.WHOLE, Kind.BEGINS):
        places = [_NAME if name.startswith(query.text) else _MANUFACTURER_CODE]
    else:
        sought = query.words if kind is Kind.CONTAINS else query.beginnings
        # What stands before it are whole lines.
        places = [text[: text.index(word)].count("\n") for word in sought]
    unfinished = len([word for word in query.wholes if word not in text])
    return Ranked(kind, places, 1.0, (kind, unfinished, sum(places), len(name), name, item_id))


def _has_all(text: str, words: list[str]) -> bool:
    return all(word in text for word in words)


def _words(line: str) -> str:
    """A line without what follows its words; see `folding`."""
    return line.strip().partition("  ")[0]


def _whole(query: Query, lines: list[str], name: str) -> Kind | None:
    if query.text in (name, _words(lines[_MANUFACTURER_CODE])):
        return Kind.WHOLE
    return Kind.BEGINS if name.startswith(query.text) else None


def _similar(query: Query, item_id: int, lines: list[str], name: str) -> Ranked | None:
    """By the mean over the words typed of how close the closest word of the item is."""
    total = 0.0
    places = set()
    others: dict[str, int] = {}
    for place, line in enumerate(lines):
        for other in line.split()[: MOST_OTHERS - len(others)]:
            others.setdefault(other, place)
    for closeness_to in query.closeness:
        best, where = 0.0, 0
        for other, place in others.items():
            closeness = _WEIGHTS[place] * closeness_to[other]
            if closeness > best:
                best, where = closeness, place
        if best:
            total += best
            places.add(where)
    score = round(total / len(query.words), 3)
    if score < SIMILAR:
        return None
    return Ranked(Kind.SIMILAR, list(places), score, (Kind.SIMILAR, -score, min(places), len(name), name, item_id))


def _is_slip(one: str, other: str) -> bool:
    """Whether a letter more, less, another one, or two that changed places make one word of the other."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1 or len(one) < SLIPPERY - 1:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) == len(other) and one[start : start + 2] == other[start : start + 2][::-1]:
        return one[start + 2 :] == other[start + 2 :]
    if len(one) < SLIPPERY:
        return False
    return one[start + 1 :] == other[start + 1 :] or (len(one) < len(other) and one[start:] == other[start + 1 :])
