"""What tells the same event sent again from another one under its event_id: a fingerprint of its content.

Contents that mean the same have the same fingerprint: a moment in any UTC offset, an empty note and none, and a field
that has its default and one that is not sent. So a field that is added to a schema later, with a default, changes no
fingerprint. What was recorded before that rule has the fingerprint of its JSON text, and is still recognised by it.

A schema whose content is fingerprinted leaves defaults out when it is encoded (`omit_defaults`): the encoder does it
an order of magnitude faster than Python, and every event is fingerprinted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec

# The names of the fields that may be left out, and what gets their values.
_Optional = tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]
# By the type of a content, learnt when it is first seen.
_OPTIONAL: dict[type[msgspec.Struct], _Optional] = {}


def fingerprint(content: object) -> str:
    """Sixteen bytes of BLAKE2b over the normalised content, in hexadecimal."""
    if isinstance(content, tuple):
        return _digest([_normalised(part) for part in content])
    return _digest(_normalised(content))


def has_fingerprint(content: object, stored: str | None) -> bool:
    """Whether `stored` is the fingerprint of this content, by the rule of today or by the former one."""
    return stored is not None and stored in (fingerprint(content), _former(content))


def _digest(content: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(content, order="sorted"), digest_size=16).hexdigest()


def _normalised(part: object) -> object:
    if not isinstance(part, msgspec.Struct):
        return part
    names, get = _OPTIONAL.get(type(part)) or _learn(type(part))
    changes: dict[str, Any] = {}
    for name, value in zip(names, get(part), strict=False):
        if value is None:
            continue
        if type(value) is datetime:
            if value.tzinfo is not UTC:
                changes[name] = value.astimezone(UTC)
        elif value == "":
            changes[name] = None
    return msgspec.structs.replace(part, **changes) if changes else part


def _learn(struct: type[msgspec.Struct]) -> _Optional:
    assert struct.__struct_config__.omit_defaults, f"{struct.__name__} is fingerprinted and keeps its defaults"
    names = tuple(field.name for field in msgspec.structs.fields(struct) if field.default is None)
    # Of a single name attrgetter would give the bare value.
    get = attrgetter(*names) if len(names) > 1 else lambda part: tuple(getattr(part, name) for name in names)
    return _OPTIONAL.setdefault(struct, (names, get))


def _former(content: object) -> str | None:
    """The fingerprint as it was made of the JSON text with all fields, those aside that were added later.

    None for content that sets such a field: no event of that time said so.
    """
    try:
        former = [_in_full(part) for part in content] if isinstance(content, tuple) else _in_full(content)
    except _AddedLater:
        return None
    return hashlib.blake2b(msgspec.json.encode(former), digest_size=16).hexdigest()


class _AddedLater(Exception):
    """A field is set that the former rule did not know."""


def _in_full(value: object) -> object:
    if not isinstance(value, msgspec.Struct):
        return value
    added: tuple[str, ...] = getattr(value, "ADDED_LATER", ())
    fields: dict[str, object] = {}
    for field in msgspec.structs.fields(value):
        own = getattr(value, field.name)
        if field.name not in added:
            if own is not msgspec.UNSET:
                fields[field.name] = _in_full(own)
        elif own != field.default:
            raise _AddedLater
    return fields
