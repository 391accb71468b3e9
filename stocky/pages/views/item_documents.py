"""Pictures, files and links of an item: a camera photo, a file, a link; the first picture becomes the item's."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from msgspec import Struct

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue import repository as catalogue
from stocky.catalogue.schemas import ItemChange
from stocky.db import Connection, Database
from stocky.documents import repository
from stocky.documents.schemas import Document, DocumentChange, DocumentKind, NewLink, Title, Url
from stocky.documents.service import Documents
from stocky.errors import NotFound
from stocky.http.parameters import PathId
from stocky.pages.forms import Form, read_form
from stocky.pages.refusals import refused
from stocky.pages.rendering import Html, page, see_other

_DOCUMENT = "/items/{item_id:int}/documents/{document_id:int}"


class GivenLink(Struct, kw_only=True):
    """A link in a form."""

    url: Url
    name: Title | None = None


class GivenName(Struct):
    """A name in a form."""

    name: Title


@post("/items/{item_id:int}/documents", opt=members, request_max_body_size=None)
async def upload(
    request: Request[Any, Any, Any], database: Database, documents: Documents, user: Principal, item_id: PathId
) -> Html:
    """Adds a file."""
    document = await documents.upload(request, user, item_id, None)
    if document.kind is DocumentKind.IMAGE:
        async with database.transaction() as tx:
            if (await catalogue.get_item(tx, item_id)).image_document_id is None:
                await catalogue.change_item(tx, item_id, ItemChange(image_document_id=document.id), user)
    return see_other(request, f"/items/{item_id}", done="document")


@get("/items/{item_id:int}/link", opt=members)
async def show_new_link(request: Request[Any, Any, Any], read: Connection, item_id: PathId) -> Html:
    """The form of a link."""
    return page(request, "item-link.html", item=await catalogue.get_item(read, item_id), form=Form())


@post("/items/{item_id:int}/link", opt=members)
async def add_link(request: Request[Any, Any, Any], database: Database, user: Principal, item_id: PathId) -> Html:
    """Adds a link."""
    form = await read_form(request, GivenLink)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                new = NewLink(item_id=item_id, url=form.data.url, name=form.data.name)
                await repository.add_link(tx, new, user)
    if not form.errors:
        return see_other(request, f"/items/{item_id}", done="link")
    if (refusal := refused(request, form)) is not None:
        return refusal
    async with database.read() as read:
        item = await catalogue.get_item(read, item_id)
    return page(request, "item-link.html", form.status, item=item, form=form)


@get(_DOCUMENT, opt=members)
async def show_document(
    request: Request[Any, Any, Any], read: Connection, item_id: PathId, document_id: PathId
) -> Html:
    """One document: its name, whether it is the picture of the item, and its deletion."""
    return await _page(request, read, item_id, document_id, Form())


@post(_DOCUMENT, opt=members)
async def rename_document(
    request: Request[Any, Any, Any], database: Database, user: Principal, item_id: PathId, document_id: PathId
) -> Html:
    """Renames a document."""
    form = await read_form(request, GivenName)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await _get(tx, item_id, document_id)
                await repository.change_document(tx, document_id, DocumentChange(name=form.data.name), user)
    if not form.errors:
        return see_other(request, f"/items/{item_id}", done="saved")
    if (refusal := refused(request, form)) is not None:
        return refusal
    async with database.read() as read:
        return await _page(request, read, item_id, document_id, form)


@post(f"{_DOCUMENT}/picture", opt=members)
async def make_picture(
    request: Request[Any, Any, Any], tx: Connection, user: Principal, item_id: PathId, document_id: PathId
) -> Html:
    """Makes a picture that of the item."""
    await catalogue.change_item(tx, item_id, ItemChange(image_document_id=document_id), user)
    return see_other(request, f"/items/{item_id}", done="picture")


@post(f"{_DOCUMENT}/delete", opt=members)
async def delete_document(
    request: Request[Any, Any, Any], tx: Connection, user: Principal, item_id: PathId, document_id: PathId
) -> Html:
    """Deletes a document."""
    await _get(tx, item_id, document_id)
    await repository.remove_document(tx, document_id, user)
    return see_other(request, f"/items/{item_id}", done="no-document")


async def _get(read: Connection, item_id: int, document_id: int) -> Document:
    document = await repository.get_document(read, document_id)
    if document.item_id != item_id:
        raise NotFound(f"There is no document with id {document_id} of this item")
    return document


async def _page(
    request: Request[Any, Any, Any], read: Connection, item_id: int, document_id: int, form: Form[Any]
) -> Html:
    item, document = await catalogue.get_item(read, item_id), await _get(read, item_id, document_id)
    return page(request, "item-document.html", form.status, item=item, document=document, form=form)


routes = [upload, show_new_link, add_link, show_document, rename_document, make_picture, delete_document]
