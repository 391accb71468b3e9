"""Types shared by requests and answers: ids, names, and enumerations, which are accepted in any case."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, TypeVar

from msgspec import Meta, Struct, UnsetType
from msgspec.structs import fields

T = TypeVar("T")

# The largest integer that every JSON reader keeps exactly.
MAX_ID = 2**53 - 1

# What filters by a custom field begin with, and the columns of such fields in CSV; the name of the field follows.
FIELD_PREFIX = "field."

# A visible character: no blank, control or formatting character, and none that renders as nothing.
VISIBLE = (
    r"[^\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0]"
)
# A name: at least one visible character, and no blank at either end. In Python "$" also matches before a final newline.
TRIMMED = rf"^(?=.*{VISIBLE})\S(.*\S)?$(?!\n)"
# A unit: one line with at least one visible character.
UNIT = rf"^(?=.*{VISIBLE})[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$(?!\n)"
# The same, or nothing.
UNIT_OR_NONE = rf"^$(?!\n)|{UNIT}"
# The same, or empty.
LINE = rf"^ *$(?!\n)|{UNIT}"

Id = Annotated[int, Meta(ge=1, le=MAX_ID, examples=[1])]


class AnyCase(str, Enum):
    """An enumeration of lower-case words, accepted in any case."""

    @classmethod
    def _missing_(cls, value: object) -> AnyCase | None:
        if isinstance(value, str):
            return next((member for member in cls if member.value == value.lower()), None)
        return None


class Message(Struct):
    """A confirmation for people to read."""

    message: str


class StorageType(AnyCase):
    """The kind of storage of a location."""

    PANTRY = "pantry"
    REFRIGERATOR = "refrigerator"
    FREEZER = "freezer"
    COUNTER = "counter"
    GARAGE = "garage"
    OTHER = "other"


class LocationKind(AnyCase):
    """Whether a location is a place, or a person to whom things are lent."""

    PLACE = "place"
    PERSON = "person"


class OversellPolicy(AnyCase):
    """What happens when more is removed than is in stock."""

    REJECT = "reject"
    CLAMP = "clamp"
    ALLOW = "allow"


def is_empty(change: Struct) -> bool:
    """Whether none of the change's fields was sent: such a change leaves the version and the time of the change."""
    return all(getattr(change, each.name) is each.default for each in fields(change))


def or_current(sent: T | UnsetType, current: T) -> T:
    """The sent value, or the current one if none was sent."""
    return current if isinstance(sent, UnsetType) else sent
