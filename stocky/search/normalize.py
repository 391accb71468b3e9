"""Text as the search compares it: words without case, accents and punctuation, the same on both databases.

SQLite's lower() knows ASCII only, and what Postgres makes of a letter depends on its locale: so it is done here.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import Any

from msgspec import Struct

# What a field may add to the index at most, in characters.
LONGEST_FIELD = 8_000
# An index of Postgres takes no key over 2,700 bytes.
LONGEST_NAME = 400

# What stands behind a number and is longer is no unit, as `kohm` and `pack` may be.
LONGEST_UNIT = 4

# In the order of their weight; the order of the lines of an item's text.
FIELDS = ("code", "name", "manufacturer_code", "tags", "type", "seller", "barcodes", "description", "documents")


class Source(Struct, kw_only=True):
    """What is written about an item."""

    item_id: int
    is_active: bool
    code: str
    name: str
    description: str
    manufacturer_code: str
    type: str | None
    tags: list[str]
    seller: str
    barcodes: list[dict[str, Any]]
    documents: list[str] = []


class SearchText(Struct, frozen=True):
    """An item as the index holds it: a line for each field in FIELDS, with a space around each word."""

    item_id: int
    name: str
    text: str


class _Plain(dict[int, str]):
    """For str.translate: accents go, letters that have no plain form of their own get one, the rest parts words."""

    def __missing__(self, codepoint: int) -> str:
        character = chr(codepoint)
        category = unicodedata.category(character)
        plain = character
        if 0x300 <= codepoint <= 0x36F or category == "Cf":
            plain = ""
        elif category[0] in "PSZC":
            plain = " "
        if codepoint < 0x3000:
            self[codepoint] = plain
        return plain


# The last one is the micro of 10 µF, which is typed as 10uF.
_PLAIN = _Plain(zip(map(ord, "æœøłđðþħıμ"), ("ae", "oe", "o", "l", "d", "d", "th", "h", "i", "u"), strict=True))


def words_of(text: str) -> str:
    """`Crème brûlée (200 g)` as `creme brulee 200 g`: words, a space between them, or nothing."""
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_PLAIN)
    # Only Latin, Greek and Cyrillic lose their marks; the syllables and marks of others are put together again.
    return " ".join(unicodedata.normalize("NFC", plain).split())


def text_of(source: Source) -> SearchText:
    """The line of an item in the index."""
    fields = {
        "code": source.code,
        "name": source.name,
        "manufacturer_code": source.manufacturer_code,
        "tags": " ".join(source.tags),
        "type": source.type or "",
        "seller": source.seller,
        "barcodes": " ".join(barcode["barcode"] for barcode in source.barcodes),
        "description": source.description,
        "documents": " ".join(source.documents),
    }
    name = words_of(source.name)[:LONGEST_NAME]
    return SearchText(source.item_id, name, "\n".join(_line(fields[field]) for field in FIELDS))


def _line(text: str) -> str:
    """The words, and behind two spaces what signs part in one piece: `BC-547` is `bc 547` and also `bc547`.

    So are measures: `4.7 kΩ` is `4 7 kω` and also `7kω` and `7kohm`, where `4.7k` and `4.7kohm` are the beginning.
    """
    words = words_of(text)
    pieces = [piece.replace(" ", "") for piece in map(words_of, text.split()) if " " in piece]
    pieces += _measures(words.split())
    return f" {'  '.join(filter(None, (words[:LONGEST_FIELD], ' '.join(pieces)[:LONGEST_FIELD])))} "


def _measures(words: list[str]) -> list[str]:
    """The numbers among these words, each in one piece with the unit behind it; ohms also spelt out."""
    joined = [
        number + unit
        for number, unit in pairwise(words)
        if number.isdecimal() and unit.isalpha() and len(unit) <= LONGEST_UNIT
    ]
    ohms = [f"{word[:-1]}ohm" for word in words + joined if word[0].isdecimal() and word.endswith("ω")]
    return joined + ohms


@lru_cache(maxsize=65_536)
def trigrams(word: str) -> frozenset[str]:
    """The trigrams of a word as pg_trgm makes them: with two spaces before it and one after it."""
    padded = f"  {word} "
    return frozenset(padded[start : start + 3] for start in range(len(padded) - 2))
