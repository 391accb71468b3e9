"""Texts of command labels: short codes, JSON, and what another keyboard layout than the scanner's makes of either.

A short code is `STOCKY`, a word, perhaps a number, and two check letters, as in `STOCKYOUTHX`. It has only letters that
the usual Latin layouts have in one place: no digits, and of the letters not A, M, Q, W, Z and I. Only the Y of the
prefix may become a Z. A hand scanner types like a keyboard, so it reaches Stocky unchanged by any of them.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, cast

import msgspec

from stocky.barcodes.codes import clean, has_check_digit

# What a label does.
Word = Literal["PUT", "OUT", "RELOC", "LOOKUP", "COUNT", "NOLOC", "LOC", "NEXT", "FOR", "UNDO"]
NOT_A_BARCODE = "This is a command for a scanner, not a barcode; send it to POST /api/v1/scanner/scan"
OTHER_LAYOUT = (
    "The scanner's keyboard layout is not the computer's: this is a command label, and it was typed as {typed}. Set the"
    " scanner to the layout of the computer, or print the label anew: new ones work with any Latin layout"
)
DAMAGED = "This begins like a command label and is damaged; scan it again"

_PREFIX = "STOCKY"
_PREFIXES = (_PREFIX, "STOCKZ")
# Each stands for a digit from 0 on.
_DIGITS = "BCDFGHJKLN"
_LETTERS = "BCDEFGHJKLNOPRSTUVX"
_BODY = re.compile(rf"(PUT|OUT|RELOC|LOOKUP|COUNT|NOLOC|LOC|NEXT|FOR|UNDO)([{_DIGITS}]{{0,16}})")
_WITH_NUMBER = ("LOC", "NEXT", "FOR")
# The shortest word with its check letters.
_LEAST = 5
# `stocky` and `command`, typed on the same keys of other layouts: Dvorak, Colemak, Bépo, Turkish F, Russian, Ukrainian,
# Serbian, Greek, Hebrew, and Arabic without and with Shift. AZERTY moves the letters of `command` only.
_TYPED_PREFIXES = (
    "oyrjtf", "rgycej", "uèlxs", "iohvmd", "\u0131ohvmd", "ыещслн", "іещслн", "стоцкз", "стоцку", "στοψκυ", "דאםבלט",
    "سفخؤنغ", "\u064dلإ×}،إ",
)  # fmt: skip
_TYPED_WORDS = "|".join(
    map(re.escape, ("jrmmabe", "co,,qnd", "co??qnd", "cymmaks", "xlqqa'i", "xlqqa?i", "vhssuze", "сщььфтв", "цомманд",
                    "ψομμανδ", "בםצצשמג", "ؤخةةشىي"))
)  # fmt: skip
# The other Latin layouts move only the signs of JSON: before the word are a brace and a quote, which dead keys swallow.
# With Caps Lock, JSON keeps its signs.
_TYPED_JSON = re.compile(
    rf"[^0-9a-z]{{1,6}}command[^0-9a-z\s\"]|command[^\x00-\x7f]|.{{0,4}}(?:{_TYPED_WORDS})|[{{}}]\s*\"command\""
)
# What the keys of the digits from 0 to 9 type without Shift: on French, Belgian, Czech and Slovak keyboards.
_TYPED_DIGITS = tuple(
    str.maketrans(typed, "0123456789") for typed in ("à&é\"'(-è_ç", "à&é\"'(§è!ç", "é+ěščřžýáí", "é+ľščťžýáí")
)
_LENGTHS = (8, 12, 13, 14)


class CommandText(NamedTuple):
    """A command as it was scanned: JSON, a short code, or one that another keyboard layout typed."""

    kind: Literal["json", "short", "mangled"]
    text: str


class ShortCode(NamedTuple):
    """What a short code says; `number` is None for a word that has none."""

    word: Word
    number: int | None


def find_command(text: str) -> CommandText | None:
    """The command in a scanned text; None for a barcode."""
    # The shortest commands are longer, also without the quotes that dead keys swallow.
    if text.isdigit() or len(text) < len(_PREFIX) + _LEAST:
        return None
    bare = clean(text)
    if bare[:1] == "{" and '"command"' in bare:
        return CommandText("json", bare) if _is_json_command(bare) else None
    # The capital İ would become an i with a dot beside it.
    folded = bare.replace("\u0130", "\u0131").casefold()
    if folded.startswith("stock"):
        return CommandText("short", bare.upper()) if _may_be_short(bare.upper()) else None
    if folded.startswith(_TYPED_PREFIXES):
        return CommandText("mangled", bare)
    if not (bare.isascii() and bare.isalnum()) and _TYPED_JSON.match(folded) is not None:
        return CommandText("mangled", bare)
    return None


def is_command(text: str) -> bool:
    """Whether the text is a command for a scanner, also one that is damaged or was typed with another layout."""
    return find_command(text) is not None


def describe_refusal(text: str) -> str | None:
    """Why the text cannot be a barcode; None if it can.

    It is a command, or a number whose digits were typed with another keyboard layout.
    """
    command = find_command(text)
    if command is not None:
        if command.kind == "mangled":
            return describe_mangled(command.text)
        if command.kind == "short":
            try:
                read_short_code(command.text)
            except ValueError as damaged:
                return str(damaged)
        return NOT_A_BARCODE
    if text.isalnum() and text.isascii():
        return None
    number = _number_typed_as(clean(text))
    if number is None:
        return None
    return (
        f"The scanner's keyboard layout is not the computer's: this is the barcode {number}, and it was typed as"
        f" {clean(text)}. Set the scanner to the layout of the computer"
    )


def describe_mangled(text: str) -> str:
    """What is wrong with a command that another keyboard layout typed."""
    return OTHER_LAYOUT.format(typed=text if len(text) <= 40 else f"{text[:40]}…")


def make_short_code(word: Word, number: int | None = None) -> str:
    """The short code of a label."""
    body = word + ("" if number is None else "".join(_DIGITS[int(digit)] for digit in str(number)))
    return f"{_PREFIX}{body}{_check_letters(body)}"


def read_short_code(text: str) -> ShortCode:
    """Reads a short code in capitals. Raises ValueError for a damaged one."""
    body, check = text[len(_PREFIX) : -2], text[-2:]
    found = _BODY.fullmatch(body)
    if found is None or _check_letters(body) != check or (found[2] != "") != (found[1] in _WITH_NUMBER):
        raise ValueError(DAMAGED)
    number = "".join(str(_DIGITS.index(each)) for each in found[2])
    # The pattern has exactly these words.
    return ShortCode(cast("Word", found[1]), int(number) if number else None)


def _is_json_command(bare: str) -> bool:
    """Whether a text with a brace and the word is a command; a damaged one is."""
    try:
        content = msgspec.json.decode(bare)
    except (ValueError, RecursionError):
        return True
    return isinstance(content, dict) and "command" in content


def _may_be_short(text: str) -> bool:
    """Whether a text is a short code, or was one: only letters that short codes have follow the prefix."""
    rest = text[len(_PREFIX) :]
    return text.startswith(_PREFIXES) and len(rest) >= _LEAST and not rest.strip(_LETTERS)


def _check_letters(body: str) -> str:
    value = 0
    for letter in body:
        value = (value * 29 + _LETTERS.index(letter) + 1) % (len(_LETTERS) ** 2)
    high, low = divmod(value, len(_LETTERS))
    return _LETTERS[high] + _LETTERS[low]


def _number_typed_as(bare: str) -> str | None:
    """The number of the length of a GTIN, with a valid check digit, all of whose digits were typed as other signs."""
    # A number with hyphens is a person's own.
    if len(bare) not in _LENGTHS or any(each.isdigit() for each in bare):
        return None
    for digits in _TYPED_DIGITS:
        number = bare.translate(digits)
        if number != bare and number.isascii() and number.isdigit() and has_check_digit(number.zfill(14)):
            return number
    return None
