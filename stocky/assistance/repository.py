"""Suggestions in the database. A decided one stays, so that the same is never suggested again for its item."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import msgspec

from stocky import clock
from stocky.assistance.answers import PLAIN, Answer, Candidate
from stocky.assistance.schemas import Suggestion, SuggestionKind, SuggestionStatus
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import change_item, get_item, lock_items
from stocky.catalogue.schemas import MOST_TAGS, Item, ItemChange
from stocky.db import Connection, Listing
from stocky.errors import Conflict, NotFound, Stale
from stocky.logs import audit
from stocky.names import name_key

# Days whose counts stay.
USAGE_DAYS = 31


class Usage(msgspec.Struct, frozen=True):
    """What was asked on a day."""

    requests: int = 0
    tokens: int = 0


class Vocabulary(msgspec.Struct, frozen=True):
    """The names of the most used types and tags."""

    types: list[str]
    tags: list[str]


class DatasheetOrder(msgspec.Struct, frozen=True):
    """A datasheet that `decided_by` wants fetched, if it is still open."""

    item_id: int
    url: str
    status: SuggestionStatus
    decided_by: int | None


class _Name(msgspec.Struct):
    name: str
    name_key: str = ""
    id: int = 0


async def get_suggestion(read: Connection, suggestion_id: int) -> Suggestion:
    """Raises NotFound."""
    suggestion = await read.one("get_suggestion", Suggestion, id=suggestion_id)
    if suggestion is None:
        raise NotFound(f"There is no suggestion with id {suggestion_id}")
    return suggestion


async def list_suggestions(
    read: Connection,
    *,
    skip: int,
    limit: int,
    item_id: int | None = None,
    status: SuggestionStatus | None = None,
    listing: Listing | None = None,
) -> list[Suggestion]:
    """Suggestions in the order they were added, or that of `listing`; without an item, those of items in use."""
    return await read.page(
        "list_suggestions", Suggestion, listing, skip=skip, limit=limit, item_id=item_id, status=status
    )


async def list_item_suggestions(
    read: Connection, item_id: int, *, skip: int, limit: int, listing: Listing | None = None
) -> list[Suggestion]:
    """All suggestions about an item. Raises NotFound when there is no such item."""
    await get_item(read, item_id)
    return await list_suggestions(read, skip=skip, limit=limit, item_id=item_id, listing=listing)


async def read_vocabulary(read: Connection, limit: int) -> Vocabulary:
    """The most used types and tags, each up to `limit`."""
    types = await read.all("list_common_types", _Name, limit=limit)
    tags = await read.all("list_common_tags", _Name, limit=limit)
    return Vocabulary([each.name for each in types], [each.name for each in tags])


async def find_names(read: Connection, answer: Answer) -> tuple[dict[str, str], dict[str, str]]:
    """The tags and the types that an answer names and that exist: their names by their keys."""
    tags = await read.all("list_tags_by_key", _Name, name_keys=_keys(answer.tags))
    types = await read.all("list_types_by_key", _Name, name_keys=_keys([answer.type or ""]))
    return {each.name_key: each.name for each in tags}, {each.name_key: each.name for each in types}


async def add_suggestions(tx: Connection, item_id: int, candidates: list[Candidate], model: str) -> int:
    """Adds the suggestions that the item has not had; returns their number."""
    added = 0
    for each in candidates:
        added += await tx.execute(
            "add_suggestion",
            item_id=item_id,
            kind=each.kind.value,
            value=each.value,
            value_key=each.key,
            model=model,
            created_at=clock.now(),
        )
    return added


async def apply_suggestion(tx: Connection, suggestion: Suggestion, by: Principal, if_versions: set[int] | None) -> None:
    """Changes the item as a suggestion of a tag, a type or a manufacturer's code says, and nothing else of it.

    Raises Conflict where it was decided before, no longer applies, or the item was merged; Stale.
    """
    await lock_items(tx, {suggestion.item_id})
    await _decide(tx, suggestion, SuggestionStatus.ACCEPTED, by)
    item = await get_item(tx, suggestion.item_id)
    change = await _change(tx, item, suggestion)
    if change is None:
        check_version(item, if_versions)
    else:
        await change_item(tx, item.id, change, by, if_versions=if_versions)


async def accept_datasheet(
    tx: Connection, suggestion_id: int, by: Principal, document_id: int, *, is_new: bool
) -> None:
    """Notes that a datasheet is stored as a document. Raises NotFound, Conflict where it was decided before."""
    suggestion = await get_suggestion(tx, suggestion_id)
    details = {"document_id": document_id, "is_new": is_new}
    await _decide(tx, suggestion, SuggestionStatus.ACCEPTED, by, details)


async def reject_suggestion(tx: Connection, suggestion_id: int, by: Principal) -> Suggestion:
    """Rejects a suggestion for good. Raises NotFound, Conflict where it was decided before."""
    suggestion = await get_suggestion(tx, suggestion_id)
    await _decide(tx, suggestion, SuggestionStatus.REJECTED, by)
    return await get_suggestion(tx, suggestion_id)


async def order_datasheet(tx: Connection, suggestion: Suggestion, by: Principal, if_versions: set[int] | None) -> bool:
    """Notes who wants a datasheet; False while it is being fetched.

    Raises Conflict where it was decided before or the item is not in use; Stale.
    """
    await lock_items(tx, {suggestion.item_id})
    # Another may have accepted it before the lock.
    if (await get_suggestion(tx, suggestion.id)).is_fetching:
        return False
    item = await get_item(tx, suggestion.item_id)
    check_version(item, if_versions)
    if not item.is_active:
        raise Conflict(f"{item.name} is no longer in use; make it active again first")
    if not await tx.execute("want_datasheet", id=suggestion.id, decided_by=by.id):
        raise _decided(await get_suggestion(tx, suggestion.id))
    return True


async def get_datasheet_order(read: Connection, suggestion_id: int) -> DatasheetOrder:
    """Raises NotFound, Conflict for one that nobody wants any more."""
    order = await read.one("find_datasheet_order", DatasheetOrder, id=suggestion_id)
    if order is None:
        raise NotFound(f"There is no suggestion of a datasheet with id {suggestion_id}")
    if order.status is not SuggestionStatus.OPEN or order.decided_by is None:
        raise Conflict("The suggestion was decided meanwhile, so its datasheet was not stored")
    return order


async def find_document_of_content(read: Connection, item_id: int, sha256: str) -> int | None:
    """The document of an item that has this content already."""
    document_id: int | None = await read.value("find_document_of_content", item_id=item_id, sha256=sha256)
    return document_id


async def find_last_job(read: Connection, kind: str, parameters: dict[str, Any]) -> int | None:
    """The newest job of a kind with exactly these parameters."""
    text = msgspec.json.encode(parameters).decode()
    job_id: int | None = await read.value("find_last_assistance_job", kind=kind, parameters=text)
    return job_id


async def get_usage(read: Connection, day: date) -> Usage:
    """What was asked on a day."""
    return await read.one("get_assistance_usage", Usage, day=day) or Usage()


async def reserve_usage(tx: Connection, day: date, tokens: int, most_requests: int, most_tokens: int) -> bool:
    """Counts a request before it is sent; False where that would exceed a limit."""
    await tx.execute("remove_old_assistance_usage", before=day - timedelta(days=USAGE_DAYS))
    found = await tx.value(
        "reserve_assistance", day=day, tokens=tokens, most_requests=most_requests, most_tokens=most_tokens
    )
    return found is not None


async def settle_usage(tx: Connection, day: date, difference: int) -> None:
    """Corrects the tokens of a request by their difference to the estimate."""
    await tx.execute("settle_assistance", day=day, difference=difference)


def check_version(item: Item, if_versions: set[int] | None) -> None:
    """Raises Stale for another version, if any is asked for."""
    if if_versions is not None and item.version not in if_versions:
        raise Stale(f"The item was changed since you read it (version {item.version} now); read it again and repeat")


async def _change(tx: Connection, item: Item, suggestion: Suggestion) -> ItemChange | None:
    """What to change; None where the item has it already. Raises Conflict for a type that is gone, or too many tags."""
    value = suggestion.value
    if suggestion.kind is SuggestionKind.TAG:
        if name_key(value) in map(name_key, item.tags):
            return None
        if len(item.tags) >= MOST_TAGS:
            raise Conflict(
                f"{item.name} has {MOST_TAGS} tags, the most of an item; remove one, or reject the suggestion"
            )
        return ItemChange(tags=[*item.tags, value])
    if suggestion.kind is SuggestionKind.TYPE:
        types = await tx.all("list_types_by_key", _Name, name_keys=_keys([value]))
        if not types:
            raise Conflict(f"There is no type {value} any more; reject the suggestion")
        return None if types[0].id == item.type_id else ItemChange(type_id=types[0].id)
    return None if value == item.manufacturer_code else ItemChange(manufacturer_code=value)


async def _decide(
    tx: Connection,
    suggestion: Suggestion,
    status: SuggestionStatus,
    by: Principal,
    details: dict[str, Any] | None = None,
) -> None:
    moment = clock.now()
    if not await tx.execute(
        "decide_suggestion", id=suggestion.id, status=status.value, decided_by=by.id, decided_at=moment
    ):
        raise _decided(await get_suggestion(tx, suggestion.id))
    shown = {"item_id": suggestion.item_id, "kind": suggestion.kind.value, "value": suggestion.value}
    await audit.record(tx, by, status.value, "suggestion", suggestion.id, shown | (details or {}))


def _decided(suggestion: Suggestion) -> Conflict:
    return Conflict(f"The suggestion {suggestion.value} was {suggestion.status.value} before; nothing was changed")


def _keys(names: Iterable[str]) -> list[str]:
    """The keys of the plain names; no other exists, and Postgres takes no NUL."""
    return sorted({name_key(each) for each in names if PLAIN.fullmatch(each.strip())})
