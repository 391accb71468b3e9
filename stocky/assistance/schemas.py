"""Requests and responses of assistance."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, Struct

from stocky.schema import AnyCase


class SuggestionKind(AnyCase):
    """What a suggestion would change."""

    TAG = "tag"
    TYPE = "type"
    MANUFACTURER_CODE = "manufacturer_code"
    DATASHEET = "datasheet"


class SuggestionStatus(AnyCase):
    """Whether a person has decided about a suggestion."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Suggestion(Struct, kw_only=True):
    """A suggestion of a model about an item; only accepting it changes the item."""

    id: int
    item_id: int
    item_name: str
    item_version: Annotated[int, Meta(description="The version of the item, for `If-Match`")]
    kind: SuggestionKind
    value: Annotated[
        str,
        Meta(
            description="The name of a tag or a type, the manufacturer's code, or the URL of a datasheet",
            examples=["transistor"],
        ),
    ]
    replaces: Annotated[str, Meta(description="What the item has instead now; empty for nothing", examples=[""])]
    status: SuggestionStatus
    model: Annotated[str, Meta(description="The model that suggested it", examples=["llama3.2-vision:11b"])]
    is_fetching: Annotated[bool, Meta(description="Whether the datasheet is being fetched")]
    error: Annotated[str | None, Meta(description="Why the datasheet could not be fetched the last time")]
    created_at: datetime
    decided_at: Annotated[datetime | None, Meta(description="When it was accepted or rejected; null while it is open")]


class AssistanceState(Struct, kw_only=True):
    """Whether the model may be asked, and what was asked today, in UTC."""

    is_on: Annotated[bool, Meta(description="Whether a key is configured and the package `openai` is installed")]
    reason: Annotated[str | None, Meta(description="Why it is off; null while it is on")]
    model: Annotated[str | None, Meta(description="The model that is asked", examples=["llama3.2-vision:11b"])]
    photos: Annotated[bool, Meta(description="Whether photos of items are sent, too")]
    day: date
    requests: Annotated[int, Meta(description="The requests of this day")]
    most_requests: Annotated[int, Meta(description="The most requests of a day")]
    tokens: Annotated[int, Meta(description="The tokens of this day: as the server counted them, else an estimate")]
    most_tokens: Annotated[int, Meta(description="The most tokens of a day")]


class Suggested(Struct):
    """The result of a job that asked: the number of new suggestions."""

    item_id: int
    suggestions: int


class Fetched(Struct):
    """The result of a job that fetched a datasheet."""

    item_id: int
    document_id: int
