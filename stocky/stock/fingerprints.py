"""Fingerprints event contents, to distinguish a repeated event from a different one under the same event_id.

Equal contents have the same fingerprint: a moment in any UTC offset, an empty note or none, a default sent or omitted.
So a field added to a schema later, with a default, changes no fingerprint. Events recorded before that rule have the
fingerprint of their JSON text and still match by it.

A fingerprinted schema omits defaults when it is encoded (`omit_defaults`): the encoder does that ten times faster than
Python, and every event is fingerprinted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec

# The names of the optional fields, and a getter for their values.
_Optional = tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]
# By content type, filled at first use.
_OPTIONAL: dict[type[msgspec.Struct], _Optional] = {}


def fingerprint(content: object) -> str:
    """Sixteen bytes of BLAKE2b over the normalised content, in hexadecimal."""
    if isinstance(content, tuple):
        return _digest([_normalised(part) for part in content])
    return _digest(_normalised(content))


def has_fingerprint(content: object, stored: str | None) -> bool:
    """Whether `stored` is the fingerprint of this content, by the current rule or the former one."""
    return stored is not None and stored in (fingerprint(content), _former_fingerprint(content))


def _digest(content: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(content, order="sorted"), digest_size=16).hexdigest()


def _normalised(part: object) -> object:
    if not isinstance(part, msgspec.Struct):
        return part
    names, get = _OPTIONAL.get(type(part)) or _read_fields(type(part))
    changes: dict[str, Any] = {}
    for name, value in zip(names, get(part), strict=False):
        if value is None:
            continue
        if type(value) is datetime:
            if value.tzinfo is not UTC:
                # A time at the ends of the calendar has none in UTC; it is rejected as it was sent.
                with suppress(OverflowError):
                    changes[name] = value.astimezone(UTC)
        elif value == "":
            changes[name] = None
    return msgspec.structs.replace(part, **changes) if changes else part


def _read_fields(struct: type[msgspec.Struct]) -> _Optional:
    assert struct.__struct_config__.omit_defaults, f"{struct.__name__} is fingerprinted but encodes its defaults"
    names = tuple(field.name for field in msgspec.structs.fields(struct) if field.default is None)
    # For a single name attrgetter would return the bare value.
    get = attrgetter(*names) if len(names) > 1 else lambda part: tuple(getattr(part, name) for name in names)
    return _OPTIONAL.setdefault(struct, (names, get))


def _former_fingerprint(content: object) -> str | None:
    """The fingerprint by the former rule: the JSON text with all fields except those added later.

    None if the content sets a field added later, which no event of that time could.
    """
    try:
        former = [_with_defaults(part) for part in content] if isinstance(content, tuple) else _with_defaults(content)
    except _AddedLater:
        return None
    return hashlib.blake2b(msgspec.json.encode(former), digest_size=16).hexdigest()


class _AddedLater(Exception):
    """A field is set that did not exist under the former rule."""


def _with_defaults(value: object) -> object:
    if not isinstance(value, msgspec.Struct):
        return value
    added: tuple[str, ...] = getattr(value, "ADDED_LATER", ())
    fields: dict[str, object] = {}
    for field in msgspec.structs.fields(value):
        own = getattr(value, field.name)
        if field.name not in added:
            if own is not msgspec.UNSET:
                fields[field.name] = _with_defaults(own)
        elif own != field.default:
            raise _AddedLater
    return fields
