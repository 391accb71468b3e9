"""`/documents`: PDFs, pictures and links on items."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, Router, delete, get, patch, post
from litestar.params import Parameter
from litestar.response import Stream

from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.documents import repository
from stocky.documents.schemas import Document, DocumentChange, DocumentKind, NewLink
from stocky.documents.service import Documents
from stocky.http.openapi import problem
from stocky.http.parameters import Paging, PathId
from stocky.http.request import StockyRequest
from stocky.schema import MAX_ID

ItemFilter = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only documents of this item")]
Kind = Annotated[DocumentKind | None, Parameter(description="Only documents of this kind, in any case")]
_FORM = {
    "file": "A PDF, PNG, JPEG or WebP file of at most 200 MB",
    "item_id": "The item it belongs to",
    "name": "What it is called; its file name where this is left out",
}


@get("/", opt=readers)
async def list_documents(
    read: Connection, paging: Paging, item_id: ItemFilter = None, kind: Kind = None
) -> list[Document]:
    """Documents in the order they were added."""
    return await repository.list_documents(read, skip=paging.skip, limit=paging.limit, item_id=item_id, kind=kind)


@post(
    "/",
    opt=members | {"form": _FORM},
    request_max_body_size=None,
    responses={415: problem("None of the kinds of files that are taken, or not what its name or type says")},
)
async def upload_document(
    request: StockyRequest,
    documents: Documents,
    user: Principal,
    item_id: Annotated[
        int | None, Parameter(ge=1, le=MAX_ID, description="Instead of the form's field of this name")
    ] = None,
    name: Annotated[str | None, Parameter(description="Instead of the form's field of this name")] = None,
) -> Document:
    """Put a file on an item. What it is is found out from its content; another name or type is refused."""
    return await documents.upload(request, user, item_id, name)


@post("/links", opt=members)
async def add_link(data: NewLink, tx: Connection, user: Principal) -> Document:
    """Put a link on an item."""
    return await repository.add_link(tx, data, user)


@get("/{document_id:int}", opt=readers)
async def get_document(read: Connection, document_id: PathId) -> Document:
    """One document."""
    return await repository.get_document(read, document_id)


@patch("/{document_id:int}", opt=members)
async def change_document(data: DocumentChange, tx: Connection, user: Principal, document_id: PathId) -> Document:
    """Call a document something else."""
    return await repository.change_document(tx, document_id, data, user)


@delete("/{document_id:int}", opt=members)
async def delete_document(tx: Connection, user: Principal, document_id: PathId) -> None:
    """Delete a document. Its content is kept for 30 days, so that a backup of before can be restored whole."""
    await repository.remove_document(tx, document_id, user)


@get(
    "/{document_id:int}/content",
    opt=readers,
    responses={416: problem("The range begins after the content's end")},
)
async def get_content(request: StockyRequest, read: Connection, documents: Documents, document_id: PathId) -> Stream:
    """What a file holds. Pictures are shown, PDFs downloaded; `Range` gives a part, `If-None-Match` may give 304."""
    return await documents.content(request, await repository.get_document(read, document_id))


@get("/{document_id:int}/thumbnail", opt=readers, media_type="image/webp")
async def get_thumbnail(read: Connection, documents: Documents, document_id: PathId) -> Response[bytes]:
    """A picture of at most 320 by 320 pixels, upright, without what its camera noted."""
    return await documents.thumbnail(await repository.get_document(read, document_id))


@get("/{item_id:int}/documents", opt=readers)
async def list_item_documents(read: Connection, item_id: PathId, paging: Paging) -> list[Document]:
    """The documents of an item in the order they were added."""
    return await repository.list_item_documents(read, item_id, skip=paging.skip, limit=paging.limit)


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
