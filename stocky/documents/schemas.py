"""Documents as they are asked for and answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.schema import AnyCase, Id

Title = Annotated[str, Meta(min_length=1, max_length=200, examples=["LM317 datasheet"])]
Url = Annotated[str, Meta(min_length=1, max_length=2000, examples=["https://example.org/lm317.pdf"])]


class DocumentKind(AnyCase):
    """What a document is."""

    PDF = "pdf"
    IMAGE = "image"
    LINK = "link"


class Document(Struct, kw_only=True):
    """A PDF, a picture or a link on an item. `url` is a link's; the fields between it and the times are a file's.

    What a file holds is at `/documents/{id}/content`, and a picture's small form at `/documents/{id}/thumbnail`.
    """

    id: int
    item_id: int
    kind: DocumentKind
    name: str
    url: str | None
    content_type: str | None
    size_bytes: int | None
    sha256: str | None
    width: Annotated[int | None, Meta(description="Pixels, of the picture as it is seen")]
    height: Annotated[int | None, Meta(description="Pixels, of the picture as it is seen")]
    created_at: datetime
    updated_at: datetime


class NewLink(Struct, kw_only=True):
    """A link to add; without a name it is called by its address."""

    item_id: Id
    url: Url
    name: Title | None = None


class DocumentChange(Struct, kw_only=True):
    """What to change of a document."""

    name: Title | UnsetType = UNSET
