"""Documents in the database. A row exists only while its content is in the store or being restored from a backup.

Content without a document is deleted later by `garbage_collector`; storing it again adopts it first.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import get_item, get_usable_item
from stocky.db import Connection, Listing
from stocky.documents.kinds import Examined, check_title
from stocky.documents.schemas import Document, DocumentChange, DocumentKind, NewLink
from stocky.errors import Contention, Invalid, NotFound, Unavailable
from stocky.logs import audit

# A deletion that takes longer was abandoned by a process that died.
GIVEN_UP = timedelta(minutes=10)
_NOT_IN_ADDRESS = re.compile(r'[\x00-\x20\x7f-\xa0<>"\\^`{|}]')


async def get_document(read: Connection, document_id: int) -> Document:
    """Raises NotFound."""
    document = await read.one("get_document", Document, id=document_id)
    if document is None:
        raise NotFound(f"There is no document with id {document_id}")
    return document


async def list_documents(
    read: Connection,
    *,
    skip: int,
    limit: int,
    item_id: int | None = None,
    kind: DocumentKind | None = None,
    listing: Listing | None = None,
) -> list[Document]:
    """Documents in the order they were added, or that of `listing`."""
    return await read.page("list_documents", Document, listing, skip=skip, limit=limit, item_id=item_id, kind=kind)


async def list_item_documents(
    read: Connection, item_id: int, *, skip: int, limit: int, listing: Listing | None = None
) -> list[Document]:
    """The documents of one item. Raises NotFound when there is no such item."""
    await get_item(read, item_id)
    return await list_documents(read, skip=skip, limit=limit, item_id=item_id, listing=listing)


async def add_file(
    tx: Connection, item_id: int, name: str, examined: Examined, size: tuple[int, int] | None, by: Principal
) -> Document:
    """Adds a document whose content is in the store; `size` is of a picture, in pixels.

    Raises NotFound, Conflict for an item that was merged into another.
    """
    await adopt(tx, [examined.sha256])
    return await _add(
        tx,
        by,
        item_id=item_id,
        kind=examined.kind.kind,
        name=name,
        content_type=examined.kind.content_type,
        size_bytes=examined.size_bytes,
        sha256=examined.sha256,
        width=size and size[0],
        height=size and size[1],
    )


async def add_link(tx: Connection, new: NewLink, by: Principal) -> Document:
    """Adds a link.

    Raises NotFound when there is no such item, Conflict when it was merged, Invalid for an unsafe address.
    """
    url = _checked_url(new.url)
    return await _add(tx, by, item_id=new.item_id, kind="link", name=check_title(new.name or url[:200]), url=url)


async def change_document(tx: Connection, document_id: int, change: DocumentChange, by: Principal) -> Document:
    """Applies the fields set in `change`. Raises NotFound, Invalid."""
    document = await get_document(tx, document_id)
    if change.name is not UNSET:
        name = check_title(change.name)
        await tx.execute("change_document", id=document_id, name=name, updated_at=clock.now())
        await audit.record(tx, by, "changed", "document", document_id, {"name": name, "was": document.name})
    return await get_document(tx, document_id)


async def remove_document(tx: Connection, document_id: int, by: Principal) -> None:
    """Deletes a document. Its content stays for `garbage_collector.RETENTION`, so that backups can be restored.

    Raises NotFound, Contention.
    """
    document = await get_document(tx, document_id)
    # Locks in the same order as setting the picture of an item, so that the two cannot deadlock.
    await tx.all("lock_items", dict[str, Any], ids=[document.item_id])
    if (await get_document(tx, document_id)).item_id != document.item_id:
        raise Contention("The document was just moved to another item; send it again")
    await tx.execute("forget_item_image", item_id=document.item_id, document_id=document_id, updated_at=clock.now())
    if not await tx.execute("remove_document", id=document_id):
        raise NotFound(f"There is no document with id {document_id}")
    if document.sha256 is not None:
        for orphan in await tx.all("list_unreferenced", Orphan, hashes=[document.sha256]):
            await tx.execute("note_orphan", sha256=orphan.sha256, seen_at=clock.now())
    details = {"name": document.name, "item_id": document.item_id, "sha256": document.sha256, "url": document.url}
    await audit.record(tx, by, "deleted", "document", document_id, details)


class Orphan(msgspec.Struct):
    """A content that no document references."""

    sha256: str


async def adopt(tx: Connection, hashes: list[str]) -> None:
    """Protects contents from deletion. Raises Unavailable when one of them is already being deleted."""
    given = {"hashes": hashes}
    await tx.execute("adopt_orphans", **given, given_up=clock.now() - GIVEN_UP)
    if await tx.value("find_doomed", **given) is not None:
        raise Unavailable("This content is just being deleted; send it again", retry_after=10)


async def _add(tx: Connection, by: Principal, **columns: Any) -> Document:
    await get_usable_item(tx, columns["item_id"])
    absent = dict.fromkeys(("url", "content_type", "size_bytes", "sha256", "width", "height"))
    document_id = await tx.value("add_document", **(absent | columns), created_at=clock.now())
    details = {name: columns.get(name) for name in ("name", "item_id", "kind", "sha256", "url")}
    await audit.record(tx, by, "created", "document", document_id, details)
    return await get_document(tx, document_id)


def _checked_url(url: str) -> str:
    """The address, with its scheme in lower case. Raises Invalid for one that is unsafe to follow."""
    try:
        parts = urlsplit(url.strip())
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        is_good = is_good and parts.username is None and parts.password is None
    except ValueError:
        is_good = False
    if not is_good or _NOT_IN_ADDRESS.search(url.strip()):
        raise Invalid(
            "url: must be an address like https://example.org/lm317.pdf, without user name, password or spaces",
            field="url",
        )
    return f"{parts.scheme}{url.strip()[len(parts.scheme) :]}"
