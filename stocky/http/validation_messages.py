"""Translates msgspec's validation messages to plain language, without Python types and patterns."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import ValidationError, inspect

from stocky.schema import LINE, TRIMMED, UNIT, UNIT_OR_NONE, VISIBLE

# The message for each pattern in a schema; a test checks that none is missing. In Python, "$" also matches before a
# final line break: "(?!\n)" forbids that, except in ids of scanners, which may have one.
PATTERNS = {
    r"\S": "must not be blank",
    VISIBLE: "must not be blank",
    TRIMMED: "must not be blank, nor begin or end with a blank",
    r"^\S(.*\S)?$": "must not be blank, nor begin or end with a blank",
    r"^[\x21-\x7e]+$(?!\n)": "must be made of digits, Latin letters and signs, without blanks, like 4006381333931",
    r"^(?!\s+$)": "must not be blank",
    r'^(https?://[^\s\x00-\x1f<>"]+)?$(?!\n)': "must be an address like https://example.org/bc547, or empty",
    r"^[^@\s]+@[^@\s]+$(?!\n)": "must be an address like ada@example.org",
    UNIT: "must be one line that is not blank, of visible characters",
    UNIT_OR_NONE: "must be one line that is not blank, of visible characters",
    LINE: "must be one line of visible characters, or empty",
    r"^(02|2)[0-9]{0,4}$(?!\n)": "must be 2 or 02, perhaps with further digits behind it",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)": "must be a time of day from 00:00 to 23:59",
    r"^[A-Z]{3}$(?!\n)": "must be a code of three capital letters, like EUR",
}
_TYPES = {
    "array": "a list",
    "bool": "true or false",
    "date": "a date",
    "datetime": "a time",
    "float": "a number",
    "int": "a whole number",
    "null": "null",
    "object": "an object",
    "str": "text",
}
_BOUNDS = {"<=": "at most", ">=": "at least", "<": "less than", ">": "more than"}
_LENGTHS = {"array": "entries", "object": "entries", "str": "characters"}
_STEPS = re.compile(r"\w+|\[\.\.\.\]|\[\d+\]")


def in_words(message: str, annotation: Any, path: str) -> str:
    """The plain message for msgspec's, about the part at `path` (such as `events[0].type`) of an `annotation`."""
    if message.startswith(("Invalid enum value", "Invalid value")):
        values = values_at(annotation, path)
        return f"must be one of {', '.join(values)}" if values else "is not an allowed value"
    for pattern, worded in _MESSAGES.items():
        if found := re.fullmatch(pattern, message, re.DOTALL):
            hint = _hint_at(annotation, path) if " of length " in message else ""
            return worded(found) + (f"; {hint}" if hint else "")
    return message


def describe_error(error: ValidationError, annotation: Any) -> str:
    """The plain message for an error of an `annotation`, beginning with its field."""
    message, _, path = str(error).partition(" - at `$")
    path = path.strip(".`")
    description = in_words(message, annotation, path)
    # The message of a Struct's own check may begin with the field.
    inner, colon, rest = description.partition(": ")
    if path and colon and inner.isidentifier():
        return f"{path}.{inner}: {rest}"
    return f"{path}: {description}" if path else description


def values_at(annotation: Any, path: str) -> list[str]:
    """The values of the enumeration at `path` of a type; empty where there is none."""
    values: list[Any] = []
    for kind in _kinds_at(annotation, path):
        if isinstance(kind, inspect.EnumType):
            values += [member.value for member in kind.cls]
        elif isinstance(kind, inspect.LiteralType):
            values += kind.values
    return [str(value) for value in values]


def _hint_at(annotation: Any, path: str) -> str:
    """The `length_hint` in the `extra` of the type at `path`, for a value that is too short or too long."""
    extras = [kind.extra or {} for kind in _kinds_at(annotation, path) if isinstance(kind, inspect.Metadata)]
    return next((extra["length_hint"] for extra in extras if "length_hint" in extra), "")


def _kinds_at(annotation: Any, path: str) -> list[inspect.Type]:
    kinds = list(_alternatives(inspect.type_info(annotation)))
    for step in _STEPS.findall(path):
        kinds = [inner for kind in kinds for part in _parts(kind, step) for inner in _alternatives(part)]
    return kinds


def _alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        yield kind
        yield from _alternatives(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _alternatives(each)
    else:
        yield kind


def _parts(kind: inspect.Type, step: str) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.StructType):
        yield from (field.type for field in kind.fields if field.encode_name == step)
    elif isinstance(kind, (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType)):
        yield kind.item_type
    elif isinstance(kind, inspect.DictType):
        yield kind.value_type


def _types(text: str) -> str:
    return " or ".join(_TYPES.get(each.strip(), each.strip()) for each in text.split("|") if each.strip() != "null")


def _pattern(found: re.Match[str]) -> str:
    try:
        return PATTERNS[literal_eval(found[1])]
    except (SyntaxError, ValueError, KeyError):
        return "has the wrong format"


def _length(found: re.Match[str]) -> str:
    if (found[2], found[3]) == (">=", "1"):
        return "must not be empty"
    return f"must have {_BOUNDS[found[2]]} {found[3]} {_LENGTHS[found[1]]}"


_MESSAGES: dict[str, Callable[[re.Match[str]], str]] = {
    r"Expected `str` matching regex (.+)": _pattern,
    r"Expected `([^`]+)`, got `([^`]+)`": lambda found: (
        f"must be {_types(found[1])}, got {_TYPES.get(found[2], found[2])}"
    ),
    r"Expected `(str|array|object)` of length (<=|>=) (\d+)": _length,
    r"Expected `(?:int|float)` (<=|>=|<|>) (.+?)(?:\.0)?": lambda found: f"must be {_BOUNDS[found[1]]} {found[2]}",
    r"Expected `datetime` with a timezone component": lambda _: "must have a time zone, as in 2026-01-31T12:00:00Z",
    r"Invalid RFC3339 encoded datetime": lambda _: "must be a time like 2026-01-31T12:00:00Z",
    r"Timestamp is out of range ?": lambda _: "must be a time like 2026-01-31T12:00:00Z, from year 1 to 9999",
    r"Invalid RFC3339 encoded date": lambda _: "must be a date like 2026-01-31",
    r"(?:Integer value|Number|Integer) out of range": lambda _: "is a number that is too large",
    r"Object missing required field `(.+)`": lambda found: f"has no {found[1]}, which is required",
    r"Object contains unknown field `(.+)`": lambda found: f"has an unknown field, {found[1]}",
}
