"""`/documents`: PDFs, pictures and links of items."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, delete, get, patch, post
from litestar.params import Parameter
from litestar.response import Stream

from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal
from stocky.db import Connection, Database, Lane
from stocky.documents import repository
from stocky.documents.kinds import KINDS
from stocky.documents.schemas import Document, DocumentChange, DocumentKind, NewLink
from stocky.documents.service import Documents
from stocky.http.openapi import may_be_missing, problem, produces
from stocky.http.parameters import Paging, PathId
from stocky.http.request import StockyRequest
from stocky.http.routing import Router
from stocky.schema import MAX_ID

ItemFilter = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only documents of this item")]
Kind = Annotated[DocumentKind | None, Parameter(description="Only documents of this kind, in any case")]
_FORM = {
    "file": "A PDF, PNG, JPEG or WebP file of at most 200 MB",
    "item_id": "The item of the document",
    "name": "The document's name; defaults to the file name",
}


@get("/", opt=readers)
async def list_documents(
    read: Connection, paging: Paging, item_id: ItemFilter = None, kind: Kind = None
) -> list[Document]:
    """List documents in the order they were added."""
    return await repository.list_documents(
        read, skip=paging.skip, limit=paging.limit, listing=paging, item_id=item_id, kind=kind
    )


@post(
    "/",
    opt=members | {"form": _FORM},
    request_max_body_size=None,
    responses=may_be_missing | {415: problem("The kind of file is not accepted, or differs from its name or type")},
)
async def upload_document(
    request: StockyRequest,
    documents: Documents,
    user: Principal,
    item_id: Annotated[
        int | None, Parameter(ge=1, le=MAX_ID, description="Overrides the form field of this name")
    ] = None,
    name: Annotated[str | None, Parameter(description="Overrides the form field of this name")] = None,
) -> Document:
    """Add a file to an item. Its kind is detected from the content; a name or type that differs is rejected."""
    return await documents.upload(request, user, item_id, name)


@post("/links", opt=members, responses=may_be_missing)
async def add_link(data: NewLink, tx: Connection, user: Principal) -> Document:
    """Add a link to an item."""
    return await repository.add_link(tx, data, user)


@get("/{document_id:int}", opt=readers)
async def get_document(read: Connection, document_id: PathId) -> Document:
    """Get one document."""
    return await repository.get_document(read, document_id)


@patch("/{document_id:int}", opt=members)
async def change_document(data: DocumentChange, tx: Connection, user: Principal, document_id: PathId) -> Document:
    """Rename a document."""
    return await repository.change_document(tx, document_id, data, user)


@delete("/{document_id:int}", opt=members)
async def delete_document(tx: Connection, user: Principal, document_id: PathId) -> None:
    """Delete a document. Its content stays stored for 30 days, so that an earlier backup can be restored completely."""
    await repository.remove_document(tx, document_id, user)


@get(
    "/{document_id:int}/content",
    opt=readers | produces(*KINDS),
    responses={416: problem("The range begins after the end of the content")},
)
async def get_content(
    request: StockyRequest, database: Database, lane: Lane, documents: Documents, document_id: PathId
) -> Stream:
    """Get the content of a file. Pictures are sent inline, PDFs as attachments; `Range` and `If-None-Match` work."""
    return await documents.content(request, await _get_document(database, lane, document_id))


@get("/{document_id:int}/thumbnail", opt=readers, media_type="image/webp")
async def get_thumbnail(database: Database, lane: Lane, documents: Documents, document_id: PathId) -> Response[bytes]:
    """Get a thumbnail of at most 320 by 320 pixels, upright and without camera metadata."""
    return await documents.thumbnail(await _get_document(database, lane, document_id))


@get("/{item_id:int}/documents", opt=readers)
async def list_item_documents(read: Connection, item_id: PathId, paging: Paging) -> list[Document]:
    """List the documents of an item in the order they were added."""
    return await repository.list_item_documents(read, item_id, skip=paging.skip, limit=paging.limit, listing=paging)


async def _get_document(database: Database, lane: Lane, document_id: int) -> Document:
    """The document; the store and the decoder may take seconds, in which the connection is for others."""
    async with database.read(lane, may_use_replica=True) as read:
        return await repository.get_document(read, document_id)


document_routes = Router(
    "/documents",
    route_handlers=[
        list_documents,
        upload_document,
        add_link,
        get_document,
        change_document,
        delete_document,
        get_content,
        get_thumbnail,
    ],
    tags=["Documents"],
)
item_document_routes = Router("/items", route_handlers=[list_item_documents], tags=["Items"])
