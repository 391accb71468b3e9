"""Text as the search compares it: words without case, accents and punctuation, the same on both databases.

SQLite's lower() knows ASCII only, and what Postgres makes of a letter depends on its locale: so it is done here.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

from msgspec import Struct

# What a field may add to the index at most, in characters.
LONGEST_FIELD = 8_000
# An index of Postgres takes no key over 2,700 bytes.
LONGEST_NAME = 400

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


_PLAIN = _Plain(zip(map(ord, "æœøłđðþħı"), ("ae", "oe", "o", "l", "d", "d", "th", "h", "i"), strict=True))


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
    """The words, and behind two spaces what signs part in one piece: `BC-547` is `bc 547` and also `bc547`."""
    words = words_of(text)
    pieces = [piece.replace(" ", "") for piece in map(words_of, text.split()) if " " in piece]
    return f" {'  '.join(filter(None, (words[:LONGEST_FIELD], ' '.join(pieces)[:LONGEST_FIELD])))} "


@lru_cache(maxsize=65_536)
def trigrams(word: str) -> frozenset[str]:
    """The trigrams of a word as pg_trgm makes them: with two spaces before it and one after it."""
    padded = f"  {word} "
    return frozenset(padded[start : start + 3] for start in range(len(padded) - 2))
