"""Ranks how well an item matches a query: one order for both databases, computed without a database.

The order: code and barcode, whole name, start of the name, starts of words, contained text, similar spelling.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cached_property

from msgspec import Struct

from stocky.search.normalize import FIELDS, trigrams, words_of

# Further words of a query are ignored.
MAX_WORDS = 8
# Different words compared per item, in order of field weight.
MAX_COMPARED = 200
# The characters of a word that are compared: trigrams of words are cached, and a word may have thousands.
MAX_COMPARED_LENGTH = 40
# The threshold of pg_trgm: less similar words do not match.
SIMILAR = 0.3
# The similarity of a word with one typing error; short words then share few trigrams.
ONE_ERROR = 0.6
# The minimum length for a replaced letter: `tea` does not match `pea`, but `tae` matches `tea`.
MIN_REPLACED_LENGTH = 4
# Weights of fields that matter less.
_LOW_WEIGHTS = {"description": 0.85, "documents": 0.85, "barcodes": 0.95, "fields": 0.95}
_WEIGHTS = [_LOW_WEIGHTS.get(field, 1.0) for field in FIELDS]
_NAME = FIELDS.index("name")
_MANUFACTURER_CODE = FIELDS.index("manufacturer_code")


class Kind(IntEnum):
    """The kinds of matches, best first."""

    EXACT = 0
    WHOLE = 1
    BEGINS = 2
    NAME_WORDS = 3
    WORDS = 4
    CONTAINS = 5
    SIMILAR = 6


class Ranked(Struct, frozen=True, gc=False):
    """The match of an item: `order` sorts better matches first; `score` is 1 except for similar spelling."""

    kind: Kind
    positions: list[int]
    score: float
    order: tuple[float | str, ...]

    @property
    def fields(self) -> list[str]:
        """The fields that match."""
        return [FIELDS[position] for position in sorted(set(self.positions))]


class Similarity(dict[str, float]):
    """The similarity of other words to one word, cached: the same words are in many items.

    From SIMILAR to 1, or 0: shared trigrams of all trigrams, as pg_trgm's similarity() has it.
    """

    def __init__(self, word: str) -> None:
        super().__init__({word: 1.0})
        self._word = word
        self._trigrams = trigrams(word[:MAX_COMPARED_LENGTH])

    def __missing__(self, other: str) -> float:
        found = trigrams(other[:MAX_COMPARED_LENGTH])
        shared = len(self._trigrams & found)
        closeness = shared / (len(self._trigrams) + len(found) - shared) if shared else 0.0
        # One typing error leaves the first or the last letter unchanged.
        may_be = other[0] == self._word[0] or other[-1] == self._word[-1]
        if (
            may_be
            and closeness < ONE_ERROR
            and abs(len(other) - len(self._word)) <= 1
            and _is_one_error(self._word, other)
        ):
            closeness = ONE_ERROR
        self[other] = closeness = closeness if closeness >= SIMILAR else 0.0
        return closeness


class Query:
    """The words of a query."""

    def __init__(self, typed: str) -> None:
        self.typed = typed.strip()
        self.text = words_of(typed)
        # The longest first: they are the most selective.
        self.words = sorted(dict.fromkeys(self.text.split()), key=len, reverse=True)[:MAX_WORDS]
        # The words as they appear in an item's text: at the start of a word, or as a whole word.
        self.beginnings = [f" {word}" for word in self.words]
        self.wholes = [f" {word} " for word in self.words]

    @property
    def is_terse(self) -> bool:
        """Whether its signs matter more than its letters, as in `c#`."""
        return self.typed.lower() != self.text and all(len(word) < 3 for word in self.words)

    @cached_property
    def closeness(self) -> list[Similarity]:
        return [Similarity(word) for word in self.words]


def exact(item_id: int, field: str) -> Ranked:
    """The match of an item with the typed code or barcode."""
    position = FIELDS.index(field)
    return Ranked(Kind.EXACT, [position], 1.0, (Kind.EXACT, position, item_id))


def verbatim(item_id: int, field: str) -> Ranked:
    """The match of an item that contains the typed text including its signs."""
    position = FIELDS.index(field)
    return Ranked(Kind.CONTAINS, [position], 1.0, (Kind.WHOLE, position, item_id))


def rank(query: Query, item_id: int, text: str, *, similar: bool) -> Ranked | None:
    """The match of an item with this text, or None. Similar spelling counts only if `similar`."""
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
        positions = [_NAME if name.startswith(query.text) else _MANUFACTURER_CODE]
    else:
        words = query.words if kind is Kind.CONTAINS else query.beginnings
        # The number of line breaks before the word is the index of its field.
        positions = [text[: text.index(word)].count("\n") for word in words]
    unfinished = len([word for word in query.wholes if word not in text])
    return Ranked(kind, positions, 1.0, (kind, unfinished, sum(positions), len(name), name, item_id))


def _has_all(text: str, words: list[str]) -> bool:
    return all(word in text for word in words)


def _words(line: str) -> str:
    """The words of a line without the joined forms; see `normalize`."""
    return line.strip().partition("  ")[0]


def _whole(query: Query, lines: list[str], name: str) -> Kind | None:
    if query.text in (name, _words(lines[_MANUFACTURER_CODE])):
        return Kind.WHOLE
    return Kind.BEGINS if name.startswith(query.text) else None


def _similar(query: Query, item_id: int, lines: list[str], name: str) -> Ranked | None:
    """Scores by the mean similarity of the typed words to the item's closest words."""
    total = 0.0
    positions = set()
    others: dict[str, int] = {}
    for position, line in enumerate(lines):
        for other in line.split()[: MAX_COMPARED - len(others)]:
            others.setdefault(other, position)
    for similarity in query.closeness:
        best, where = 0.0, 0
        for other, position in others.items():
            closeness = _WEIGHTS[position] * similarity[other]
            if closeness > best:
                best, where = closeness, position
        if best:
            total += best
            positions.add(where)
    score = round(total / len(query.words), 3)
    if score < SIMILAR:
        return None
    return Ranked(
        Kind.SIMILAR, list(positions), score, (Kind.SIMILAR, -score, min(positions), len(name), name, item_id)
    )


def _is_one_error(one: str, other: str) -> bool:
    """Whether the words differ by one added, missing, replaced or two swapped letters."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1 or len(one) < MIN_REPLACED_LENGTH - 1:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) == len(other) and one[start : start + 2] == other[start : start + 2][::-1]:
        return one[start + 2 :] == other[start + 2 :]
    if len(one) < MIN_REPLACED_LENGTH:
        return False
    return one[start + 1 :] == other[start + 1 :] or (len(one) < len(other) and one[start:] == other[start + 1 :])
