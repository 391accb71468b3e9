"""Reads the answer of a model, which is taken for hostile: what fits no rule is left out, another form is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from stocky.assistance.datasheets import check_url
from stocky.assistance.schemas import SuggestionKind
from stocky.catalogue.schemas import Item, TagName
from stocky.errors import Unavailable
from stocky.names import name_key

LONGEST_ANSWER = 2**16
MOST_TAGS = 8
MOST_NEW_TAGS = 3
MOST_DATASHEETS = 3
LONGEST_CODE = 100
NO_ANSWER = (
    "The model's answer is not the JSON that was asked for, so nothing was stored; ask again, or set STOCKY_AI_MODEL to"
    " another model"
)
# No control characters, no marks that make a text look like another, no HTML.
PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff<>]+")


class Answer(Struct, kw_only=True):
    """What a model answered, still unchecked; far more entries than were asked for are another form."""

    tags: Annotated[list[str], Meta(max_length=50)] = []
    type: str | None = None
    part_number: str | None = None
    datasheets: Annotated[list[str], Meta(max_length=20)] = []


class Candidate(Struct, frozen=True):
    """A checked suggestion; two with the same key are the same."""

    kind: SuggestionKind
    value: str
    key: str


def read_answer(text: str) -> Answer:
    """The JSON object in a text, perhaps with words or a fence around it. Raises Unavailable for another form."""
    found = text[text.find("{") : text.rfind("}") + 1] if len(text) <= LONGEST_ANSWER else ""
    try:
        return msgspec.json.decode(found, type=Answer)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Unavailable(NO_ANSWER, retry_after=60) from None


def check_answer(
    answer: Answer, item: Item, known_tags: Mapping[str, str], known_types: Mapping[str, str], *, to_private: bool
) -> list[Candidate]:
    """The suggestions for an item. The mappings have names by their keys; `to_private` allows private addresses."""
    return [
        *_tags(answer, item, known_tags),
        *_type(answer, item, known_types),
        *_part_number(answer, item),
        *_datasheets(answer, to_private=to_private),
    ]


def _tags(answer: Answer, item: Item, known: Mapping[str, str]) -> Iterator[Candidate]:
    seen, new = {name_key(each) for each in item.tags}, 0
    for text in answer.tags[:MOST_TAGS]:
        name = known.get(name_key(text), text.strip())
        key = name_key(name)
        if key in seen or not _is_tag(name):
            continue
        new += key not in known
        if key in known or new <= MOST_NEW_TAGS:
            seen.add(key)
            yield Candidate(SuggestionKind.TAG, name, key)


def _type(answer: Answer, item: Item, known: Mapping[str, str]) -> Iterator[Candidate]:
    name = known.get(name_key(answer.type or ""))
    if name is not None and name != item.type_name:
        yield Candidate(SuggestionKind.TYPE, name, name_key(name))


def _part_number(answer: Answer, item: Item) -> Iterator[Candidate]:
    code = (answer.part_number or "").strip()
    if len(code) <= LONGEST_CODE and PLAIN.fullmatch(code) and code != item.manufacturer_code:
        yield Candidate(SuggestionKind.MANUFACTURER_CODE, code, name_key(code))


def _datasheets(answer: Answer, *, to_private: bool) -> Iterator[Candidate]:
    seen = set()
    for text in answer.datasheets[:MOST_DATASHEETS]:
        try:
            url = check_url(text, to_private=to_private)
        except ValueError:
            continue
        if url not in seen:
            seen.add(url)
            yield Candidate(SuggestionKind.DATASHEET, url, url)


def _is_tag(name: str) -> bool:
    try:
        msgspec.convert(name, TagName)
    except msgspec.ValidationError:
        return False
    return bool(PLAIN.fullmatch(name))
