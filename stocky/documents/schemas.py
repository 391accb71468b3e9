"""Request and response types of documents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.schema import AnyCase, Id

Title = Annotated[str, Meta(min_length=1, max_length=200, examples=["LM317 datasheet"])]
Url = Annotated[str, Meta(min_length=1, max_length=2000, examples=["https://example.org/lm317.pdf"])]


class DocumentKind(AnyCase):
    """The kind of a document."""

    PDF = "pdf"
    IMAGE = "image"
    LINK = "link"


class Document(Struct, kw_only=True):
    """A PDF, a picture or a link of an item. Only links have `url`; only files have `content_type` to `height`.

    The content of a file is at `/documents/{id}/content`, the thumbnail of a picture at `/documents/{id}/thumbnail`.
    """

    id: int
    item_id: int
    kind: DocumentKind
    name: str
    url: str | None
    content_type: str | None
    size_bytes: int | None
    sha256: str | None
    width: Annotated[int | None, Meta(description="In pixels, of the upright picture")]
    height: Annotated[int | None, Meta(description="In pixels, of the upright picture")]
    created_at: datetime
    updated_at: datetime


class NewLink(Struct, kw_only=True):
    """A link to add; `name` defaults to the address."""

    item_id: Id
    url: Url
    name: Title | None = None


class DocumentChange(Struct, kw_only=True):
    """Changes to a document."""

    name: Title | UnsetType = UNSET
