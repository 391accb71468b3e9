"""Normalises text for the search: words without case, accents and punctuation, equal on both databases.

It is done in Python because SQLite's lower() handles ASCII only, and Postgres' depends on the locale.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import Any

from msgspec import Struct

# The maximum of characters that a field adds to the index.
LONGEST_FIELD = 8_000
# A Postgres index accepts no key over 2,700 bytes.
LONGEST_NAME = 400

# A longer word after a number is not a unit; `kohm` and `pack` may be.
LONGEST_UNIT = 4

# In order of weight, which is also the order of lines in an item's text. The last line is only in that of an item with
# texts or choices in custom fields, so that an index made before there were such fields stays valid.
FIELDS = (
    "code", "name", "manufacturer_code", "tags", "type", "seller", "barcodes", "description", "documents", "fields",
)  # fmt: skip


class Source(Struct, kw_only=True):
    """The text of an item by field."""

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
    fields: list[str]
    documents: list[str] = []


class SearchText(Struct, frozen=True):
    """The indexed text of an item: a line for each field in FIELDS, with a space around each word."""

    item_id: int
    name: str
    text: str


class _Plain(dict[int, str]):
    """For str.translate: removes accents, maps special letters to plain ones, and replaces other signs by blanks."""

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


# The last one is the micro sign of 10 µF, typed as 10uF.
_PLAIN = _Plain(zip(map(ord, "æœøłđðþħıμ"), ("ae", "oe", "o", "l", "d", "d", "th", "h", "i", "u"), strict=True))


def words_of(text: str) -> str:
    """Normalised words separated by spaces: `Crème brûlée (200 g)` becomes `creme brulee 200 g`."""
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_PLAIN)
    # Only Latin, Greek and Cyrillic lose their marks; NFC recomposes other scripts.
    return " ".join(unicodedata.normalize("NFC", plain).split())


def text_of(source: Source) -> SearchText:
    """The indexed text of an item."""
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
    if source.fields:
        fields["fields"] = " ".join(source.fields)
    name = words_of(source.name)[:LONGEST_NAME]
    return SearchText(source.item_id, name, "\n".join(_line(fields[field]) for field in FIELDS if field in fields))


def _line(text: str) -> str:
    """The words, then after two spaces the joined forms of words with signs: `BC-547` is `bc 547` and also `bc547`.

    Measures are joined too: `4.7 kΩ` is `4 7 kω` and also `7kω` and `7kohm`, so that `4.7k` and `4.7kohm` match.
    """
    words = words_of(text)
    pieces = [piece.replace(" ", "") for piece in map(words_of, text.split()) if " " in piece]
    pieces += _measures(words.split())
    return f" {'  '.join(filter(None, (words[:LONGEST_FIELD], ' '.join(pieces)[:LONGEST_FIELD])))} "


def _measures(words: list[str]) -> list[str]:
    """The numbers among these words joined with their units; ohms also spelt out."""
    joined = [
        number + unit
        for number, unit in pairwise(words)
        if number.isdecimal() and unit.isalpha() and len(unit) <= LONGEST_UNIT
    ]
    ohms = [f"{word[:-1]}ohm" for word in words + joined if word[0].isdecimal() and word.endswith("ω")]
    return joined + ohms


# About 9 MB at most, since compared words have a maximum of length; a search compares some thousand words.
@lru_cache(maxsize=8_192)
def trigrams(word: str) -> frozenset[str]:
    """The trigrams of a word, like pg_trgm's: with two spaces before it and one after it."""
    padded = f"  {word} "
    return frozenset(padded[start : start + 3] for start in range(len(padded) - 2))
