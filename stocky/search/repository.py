"""Searches items: reads a bounded number of candidates from the index and ranks them the same on both databases.

No item is found by outdated text: items changed since the last indexing are read from their tables. Only when more
than PENDING items changed, as after a large import, some are not found by their new words yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date
from functools import partial
from heapq import nlargest
from itertools import chain, zip_longest
from math import sqrt

import msgspec
from msgspec import Struct

from stocky.barcodes.codes import may_be_compound
from stocky.barcodes.reader import read_here
from stocky.catalogue.repository import items_by_id, like_pattern
from stocky.catalogue.schemas import Item
from stocky.db import Connection
from stocky.schema import LocationKind, StorageType
from stocky.search.index import ItemId, Mark, read_sources
from stocky.search.normalize import text_of
from stocky.search.ranking import Kind, Query, Ranked, exact, rank, verbatim
from stocky.search.schemas import FoundItem, FoundPlace, FoundStock, Match, MatchKind
from stocky.settings.measure_rules import rules_for

# Items ranked per kind of match; always more than the number of results.
CANDIDATES = 150
# Changed items that are read and ranked without the index.
PENDING = 500
# The length from which a matching barcode is not a word by chance.
DISTINCT_BARCODE = 8
# Fragments of the words that are searched, and the items read for each.
MAX_FRAGMENTS = 16
MAX_ITEMS_PER_FRAGMENT = 1_000
# The number of patterns of `find_containing`.
PATTERNS = 4
# Shorter texts are found by reading every text.
INDEXED_LENGTH = 3
# Sorts after every text with the same start.
_LAST = "\U0010ffff"

_KINDS: dict[Kind, MatchKind] = {
    Kind.EXACT: "exact",
    Kind.WHOLE: "whole",
    Kind.BEGINS: "begins",
    Kind.NAME_WORDS: "words",
    Kind.WORDS: "words",
    Kind.CONTAINS: "contains",
    Kind.SIMILAR: "similar",
}


class _Hit(Struct):
    item_id: int
    field: str


class _Location(Struct, kw_only=True):
    item_id: int
    id: int
    name: str
    path: str
    storage_type: StorageType
    kind: LocationKind
    box_no: int | None
    loc_no: int | None
    quantity: float
    unit: str
    expiry_date: date | None


async def search(tx: Connection, typed: str, limit: int) -> list[FoundItem]:
    """Active items that match, best first. Reads only."""
    query = Query(typed)
    # A plan for any pattern reads the index for each of them, also for %, which matches everything.
    await tx.rows("plan_for_values")
    found = (await _find(tx, query, limit)) if query.words else (await _find_verbatim(tx, typed, limit))
    best = sorted(found, key=lambda item_id: found[item_id].order)[:limit]
    return await _answers(tx, best, found)


async def _find(tx: Connection, query: Query, limit: int) -> dict[int, Ranked]:
    pending: list[Mark] = await tx.all("list_pending", Mark, limit=PENDING)
    changed = await _changed_texts(tx, {mark.item_id for mark in pending})
    typed = query.typed
    rules = await rules_for(tx, [typed])
    scanned = (
        (await tx.compute(partial(read_here, typed, rules))) if may_be_compound(typed) else read_here(typed, rules)
    )
    wanted = {"code": scanned.code.upper(), "barcode": query.typed, "barcode_key": scanned.key}
    exactly: list[_Hit] = await tx.all("find_exact", _Hit, **wanted)
    found = (await _find_verbatim(tx, query.typed, limit)) if query.is_terse else {}
    found |= {each.item_id: exact(each.item_id, each.field) for each in exactly}

    def rank_all(candidates: Collection[tuple[int, str]], similar: bool) -> None:
        for item_id, text in candidates:
            if item_id not in found:
                ranked = rank(query, item_id, text, similar=similar)
                if ranked is not None:
                    found[item_id] = ranked

    async def take(tx: Connection, candidates: Collection[tuple[int, str]], *, similar: bool = False) -> None:
        if candidates:
            await tx.compute(partial(rank_all, candidates, similar))

    async def take_indexed(tx: Connection, candidates: Sequence[tuple[int, str]], *, similar: bool = False) -> None:
        if len(pending) == PENDING:
            changed.update(await _changed_since(tx, candidates))
        await take(tx, [(item_id, changed.get(item_id, text)) for item_id, text in candidates], similar=similar)

    await take(tx, changed.items())
    if len(query.typed) >= DISTINCT_BARCODE and any(each.field == "barcodes" for each in exactly):
        return found
    # The order by name already has the best ones first.
    beginning = {"start": query.text, "beyond": query.text + _LAST, "limit": 2 * limit}
    await take_indexed(tx, (await tx.rows("find_by_name", **beginning)))
    if sum(each.kind <= Kind.BEGINS for each in found.values()) >= limit:
        return found
    if len(query.words[0]) >= INDEXED_LENGTH:
        # Most searches find fewer than CANDIDATES, and so also all that starts with the words.
        containing = await _find_containing(tx, query.words)
        await take_indexed(tx, containing)
        if len(containing) == CANDIDATES:
            await take_indexed(tx, await _find_containing(tx, query.beginnings))
    else:
        # With the space before it, a word of two letters is long enough for the index.
        await take_indexed(tx, await _find_containing(tx, query.beginnings))
        if len(found) < limit:
            await take_indexed(tx, await _find_containing(tx, query.words))
    if len(found) < limit and not any(each.kind <= Kind.WORDS for each in found.values()):
        await take(tx, changed.items(), similar=True)
        sharing = await _sharing_fragments(tx, _fragments(query.words), 3 * limit)
        await take_indexed(tx, sharing, similar=True)
    return found


async def _changed_since(tx: Connection, candidates: Sequence[tuple[int, str]]) -> dict[int, str]:
    """The current texts of those candidates that changed since the last indexing."""
    if not candidates:
        return {}
    marked: list[ItemId] = await tx.all("list_marked", ItemId, ids={item_id for item_id, _ in candidates})
    return await _changed_texts(tx, {each.item_id for each in marked})


async def _changed_texts(tx: Connection, ids: set[int]) -> dict[int, str]:
    """The current texts of the active ones of these items."""
    if not ids:
        return {}
    sources = await read_sources(tx, ids)
    texts: dict[int, str] = await tx.compute(
        lambda: {each.item_id: text_of(each).text for each in sources if each.is_active}
    )
    return texts


async def _find_containing(tx: Connection, words: list[str]) -> Sequence[tuple[int, str]]:
    patterns = [f"%{word}%" for word in words[:PATTERNS]]
    patterns += ["%"] * (PATTERNS - len(patterns))
    one, two, three, four = patterns
    return await tx.rows("find_containing", one=one, two=two, three=three, four=four, limit=CANDIDATES)


async def _sharing_fragments(tx: Connection, fragments: list[str], limit: int) -> list[tuple[int, str]]:
    """The items, up to `limit`, that share most with the query; a rarer fragment counts more."""
    rows = await tx.rows("find_items_by_fragment", fragments=fragments, most=MAX_ITEMS_PER_FRAGMENT)
    having = [msgspec.json.decode(listed or "[]", type=set[int]) for (listed,) in rows]
    shared: dict[int, float] = defaultdict(float)
    for ids in sorted(having, key=len):
        weight = 1 / sqrt(1 + len(ids))
        # Once there are enough candidates, common fragments only rank these.
        for item_id in ids if len(shared) < CANDIDATES else ids & shared.keys():
            shared[item_id] += weight
    # More than are ranked, since some may be inactive.
    nearest = nlargest(CANDIDATES, shared, key=shared.__getitem__)
    texts = dict(await tx.rows("find_texts", ids=nearest))
    return [(item_id, texts[item_id]) for item_id in nearest if item_id in texts][:limit]


def _fragments(words: list[str]) -> list[str]:
    """Fragments that misspelt words may share with the intended ones, taken from the words in turn.

    Each has three letters or more.
    """
    interleaved = chain.from_iterable(zip_longest(*map(_fragments_of, words)))
    return list(dict.fromkeys(fragment for fragment in interleaved if fragment is not None))[:MAX_FRAGMENTS]


def _fragments_of(word: str) -> list[str]:
    """The word itself, its forms with two letters swapped, and its trigrams."""
    padded = f" {word} "
    fragments = [padded]
    # In a short word, two swapped letters leave no common trigram.
    if len(word) <= 6:
        swapped = (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1))
        fragments += [f" {other} " for other in swapped]
    return fragments + [padded[start : start + 3] for start in range(len(padded) - 2)]


async def _find_verbatim(tx: Connection, typed: str, limit: int) -> dict[int, Ranked]:
    """Searches the typed text unchanged, for queries of signs with few or no words."""
    pattern = like_pattern(typed)
    if pattern is None:
        return {}
    rows: list[_Hit] = await tx.all("find_verbatim", _Hit, pattern=pattern, limit=limit)
    return {each.item_id: verbatim(each.item_id, each.field) for each in rows}


async def _answers(tx: Connection, ids: list[int], found: dict[int, Ranked]) -> list[FoundItem]:
    if not ids:
        return []
    by_id = await items_by_id(tx, ids)
    rows: list[_Location] = await tx.all("list_item_locations", _Location, ids=ids)
    stock: dict[int, list[FoundStock]] = defaultdict(list)
    for each in rows:
        location = FoundPlace(
            id=each.id,
            name=each.name,
            path=each.path,
            storage_type=each.storage_type,
            kind=each.kind,
            box_no=each.box_no,
            loc_no=each.loc_no,
        )
        stock[each.item_id].append(
            FoundStock(location=location, quantity=each.quantity, unit=each.unit, expiry_date=each.expiry_date)
        )
    return [_answer(by_id[item_id], found[item_id], stock[item_id]) for item_id in ids if item_id in by_id]


def _answer(item: Item, ranked: Ranked, stock: list[FoundStock]) -> FoundItem:
    match = Match(kind=_KINDS[ranked.kind], fields=ranked.fields, score=ranked.score)
    return FoundItem(**msgspec.structs.asdict(item), locations=stock, match=match)
