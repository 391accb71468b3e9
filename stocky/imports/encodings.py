"""Finds the encoding of a file: UTF-8 and UTF-16 by their bytes. Any other is asked about, with what it would show."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from stocky.errors import Invalid
from stocky.imports.questions import Answer, Question, QuestionAsked

# Codecs that strip the byte order mark.
CODECS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "cp1250": "cp1250", "cp1252": "cp1252", "shift-jis": "cp932"}
_OFFERED = ("cp1252", "cp1250", "shift-jis")
_CHUNK = 2**20
_LINES, _MAX_LINE = 300, 500
_SAMPLES = 3
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# Controls, and what stands for no character at all.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ue000-\uf8ff]")
_WORD = re.compile(r"\w*[^\x00-\x7f]\w*")
_JAPANESE = re.compile(r"[\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]")
# The letters of languages besides A to Z, by the encoding in which their texts are written.
_LETTERS = {
    "cp1252": (
        "äöüß", "àâæçéèêëîïôœùûüÿ", "áéíñóúüïç", "áâãàçéêíóôõú", "àèéìíîòóùú", "æøåéèêóòâô", "åäöé", "áéíóúýþæöð",
        "éëïóöü",
    ),
    "cp1250": ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţ", "äöüß"),
}  # fmt: skip
# Signs that texts of all languages have, outside of words.
_SIGNS = frozenset("–—‘’‚“”„…€£§°±µ®©«»¿¡·•™½¼¾²³×÷\u00a0\u00ad")


_OTHER_KINDS = {
    b"PK\x03\x04": "an Excel or LibreOffice workbook, or an archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"%PDF-": "a PDF",
    b"\x1f\x8b": "compressed (gzip)",
}


class _Candidate(Struct):
    encoding: str
    score: float
    lines: list[str]


def refuse_other_kinds(start: bytes) -> None:
    """Raises Invalid for a file that begins like a workbook or another kind of file."""
    for mark, kind in _OTHER_KINDS.items():
        if start.startswith(mark):
            raise Invalid(f"The file is {kind}, not CSV; save the table as CSV (UTF-8) and send that file")


def encoding_of(start: bytes) -> str:
    """The encoding of a file that begins with these bytes, if it is UTF-16, else UTF-8. Raises Invalid for no text."""
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    if b"\0" not in start[:1000]:
        return "utf-8"
    if _utf_16_codec(start) is not None:
        return "utf-16"
    raise Invalid("The file is not UTF-8 text. If it is UTF-16, set encoding=utf-16")


def codec_of(encoding: str, start: bytes) -> str:
    """The codec for a file in this encoding that begins with these bytes."""
    if encoding == "utf-16" and not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _utf_16_codec(start) or CODECS[encoding]
    return CODECS[encoding]


def check_encoding(file: Path) -> None:
    """Reads a file whose encoding is not named.

    Raises QuestionAsked unless it is UTF-8 or UTF-16, Invalid for a file that is no text.
    """
    with file.open("rb") as opened:
        start = opened.read(_CHUNK)
        refuse_other_kinds(start)
        if encoding_of(start) != "utf-8" or _decodes(CODECS["utf-8"], _chunks(start, opened)):
            return
    raise QuestionAsked([_question(file)])


def _question(file: Path) -> Question:
    candidates: list[_Candidate] = []
    lines = _lines_to_show(file)
    for encoding in _OFFERED:
        with file.open("rb") as opened:
            if not _decodes(CODECS[encoding], _chunks(b"", opened)):
                continue
        texts = [line.decode(CODECS[encoding], "ignore") for line in lines]
        if any(_CONTROLS.search(text) for text in texts) or any(texts == each.lines for each in candidates):
            continue
        candidates.append(_Candidate(encoding, _score(encoding, texts), texts))
    if not candidates:
        raise Invalid("The file is neither UTF-8 nor in another known encoding; save the table as CSV (UTF-8)")
    candidates.sort(key=lambda each: -each.score)
    candidates = [each for each in candidates if each.score or not candidates[0].score]
    answers = [Answer(options={"encoding": each.encoding}, sample=_sample(each.lines)) for each in candidates]
    shown = ", ".join(f"encoding={answer.options['encoding']} ({answer.sample})" for answer in answers)
    return Question(
        option="encoding",
        message=f"The file is not UTF-8; save it as UTF-8, or set the encoding in which its text is right: {shown}",
        answers=answers,
    )


def _chunks(start: bytes, opened: BinaryIO) -> Iterator[bytes]:
    yield start
    while chunk := opened.read(_CHUNK):
        yield chunk


def _decodes(codec: str, chunks: Iterator[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for chunk in chunks:
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _lines_to_show(file: Path) -> list[bytes]:
    """The first lines that are not ASCII."""
    lines: list[bytes] = []
    with file.open("rb") as opened:
        while len(lines) < _LINES and (line := opened.readline(_MAX_LINE)):
            if not line.isascii():
                lines.append(line)
    return lines


def _utf_16_codec(start: bytes) -> str | None:
    """The codec of UTF-16 without a byte order mark: the zeros of its ASCII characters are all on one side."""
    whole = start[: len(start) // 2 * 2]
    low, high = whole[0::2].count(0), whole[1::2].count(0)
    codec = "utf-16-le" if high > low else "utf-16-be"
    most, least = max(low, high), min(low, high)
    if (len(start) % 2 and len(start) < 1000) or most * 20 < len(whole) or least * 5 > most:
        return None
    try:
        text = codecs.getincrementaldecoder(codec)().decode(whole)
    except UnicodeError:
        return None
    return None if _CONTROLS.search(text) else codec


def _score(encoding: str, texts: list[str]) -> float:
    """How much of the text that is not ASCII makes sense: the share of letters of one language, or of Japanese."""
    characters, wrong = [], 0
    for text in texts:
        for index, character in enumerate(text):
            if character.isascii():
                continue
            is_inside = text[index - 1 : index].isalpha() and text[index + 1 : index + 2].isalpha()
            if character in _SIGNS and not is_inside:
                continue
            characters.append(character.lower())
            if encoding == "shift-jis":
                around = text[max(index - 1, 0) : index] + text[index + 1 : index + 2]
                wrong += not _JAPANESE.match(character) or any(each.isascii() and each.isalpha() for each in around)
    if not characters:
        return 0.5
    if encoding == "shift-jis":
        return 1 - wrong / len(characters)
    return max(sum(character in letters for character in characters) for letters in _LETTERS[encoding]) / len(
        characters
    )


def _sample(texts: list[str]) -> str:
    words = dict.fromkeys(word for text in texts for word in _WORD.findall(text))
    return ", ".join(list(words)[:_SAMPLES])
