"""Decodes the body of `POST /events`: what is wrong inside one event is that event's refusal, never another's.

A refusal for its form is not stored, so the event can be sent again, corrected, under the same event_id.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from stocky.errors import BadRequest, Invalid
from stocky.http.request import holds_escaped_nul, holds_nul
from stocky.http.validation_messages import describe_error
from stocky.stock.schemas import MAX_EVENTS, EventId, MalformedEvent, NewEvent, NewEvents, ReadEvents

# An integer of this many characters has no exact double, and Python limits the digits of its own.
_LONG_INTEGER = 20
_NO_NUL = "Text may not contain NUL characters"
_whole = msgspec.json.Decoder(NewEvents, strict=False)
_one = msgspec.json.Decoder(NewEvent, strict=False)


class _Batch(Struct):
    events: Annotated[list[Any], Meta(min_length=1, max_length=MAX_EVENTS)]
    atomic: bool = False


def read_events(body: bytes) -> NewEvents:
    """The batch, with its malformed events apart. Raises BadRequest or Invalid if the batch itself is wrong."""
    if not holds_nul(body):
        # The common case: all events in one pass.
        try:
            return _whole.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    batch = _read_batch(body)
    read = ReadEvents(events=[], atomic=batch.atomic)
    for index, event in enumerate(batch.events):
        # As text again, of ASCII characters: one decoder decides what an event is, whichever way it came.
        text = json.dumps(event).encode()
        try:
            read.events.append(_read_event(text))
        except ValueError as error:
            read.malformed[index] = MalformedEvent(_event_id(event), str(error))
    return read


def _read_batch(body: bytes) -> _Batch:
    """The events undecoded, by Python's own parser: it goes on after half of a character, NaN and what is not UTF-8."""
    try:
        document = json.loads(body.decode("utf-8", "surrogateescape"), strict=False, parse_int=_integer)
        batch = msgspec.convert(document, _Batch, strict=False)
    except msgspec.ValidationError as error:
        message = describe_error(error, NewEvents)
        raise Invalid(message, field=message.partition(":")[0] if ":" in message else "body") from None
    except ValueError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from None
    except RecursionError:
        raise Invalid("The body is nested too deeply", field="body") from None
    if holds_escaped_nul(json.dumps({**document, "events": None}).encode()):
        raise Invalid(_NO_NUL, field="body")
    return batch


def _read_event(text: bytes) -> NewEvent:
    """Raises ValueError with the reason of the refusal."""
    if holds_escaped_nul(text):
        raise ValueError(_NO_NUL)
    try:
        return _one.decode(text)
    except msgspec.ValidationError as error:
        raise ValueError(describe_error(error, NewEvent)) from None
    except msgspec.DecodeError:
        raise ValueError(
            "The event holds what JSON cannot: text that is not in UTF-8, half of a character (\\ud83d without what"
            " follows it), NaN or an infinite number"
        ) from None


def _event_id(event: Any) -> str | None:
    """The client's id of a malformed event, to find it by; None where it is malformed itself."""
    try:
        # Without the rest of the event, which may be what no JSON is.
        event_id = msgspec.json.decode(json.dumps([event["event_id"]]), type=tuple[EventId])[0]
    except (KeyError, TypeError, msgspec.DecodeError):
        return None
    return None if "\0" in event_id else event_id


def _integer(text: str) -> int | float:
    return int(text) if len(text) < _LONG_INTEGER else float(text)
