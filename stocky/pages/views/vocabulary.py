"""Tags, types and sellers: how many items have each; tags and types are renamed, combined and deleted here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Request, get, post
from litestar.params import Parameter, QueryParameter

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue import part_repository
from stocky.catalogue.combining import combine_tags, combine_types
from stocky.catalogue.repository import like_pattern
from stocky.catalogue.schemas import ItemType, ItemTypeChange, NewItemType, NewTag, Tag
from stocky.db import Connection, Database
from stocky.errors import Conflict, Invalid, NotFound
from stocky.http.parameters import PathId
from stocky.names import name_key
from stocky.pages.done import done_with_item
from stocky.pages.forms import Form, filled, read_changes, read_form, read_values
from stocky.pages.refusals import refused
from stocky.pages.rendering import Html, page, see_other
from stocky.schema import MAX_ID

ROWS = 50
Kind = Literal["tags", "types", "sellers"]
Text = Annotated[str, Parameter(max_length=200)]
PageNumber = Annotated[int, QueryParameter(name="page", ge=1, le=10**6)]


@get("/vocabulary", opt=members)
async def show_vocabulary(
    request: Request[Any, Any, Any], read: Connection, kind: Kind = "tags", search: Text = "", number: PageNumber = 1
) -> Html:
    """A list of words, filtered by a part of them."""
    return await _list_page(request, read, kind, search.strip(), number, Form())


@post("/vocabulary/{kind:str}", opt=members)
async def add_word(request: Request[Any, Any, Any], database: Database, user: Principal, kind: str) -> Html:
    """Adds a tag or a type."""
    form: Form[Any] = await read_form(request, NewTag if _kind(kind) == "tags" else NewItemType)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                if kind == "tags":
                    await part_repository.add_tag(tx, form.data, user)
                else:
                    await part_repository.add_item_type(tx, form.data, user)
    if not form.errors:
        return see_other(request, "/vocabulary", kind=kind, done=f"new-{kind.removesuffix('s')}")
    if (refusal := refused(request, form)) is not None:
        return refusal
    async with database.read() as read:
        return await _list_page(request, read, _kind(kind), "", 1, form)


@get("/vocabulary/{kind:str}/{word_id:int}", opt=members)
async def show_word(request: Request[Any, Any, Any], read: Connection, kind: str, word_id: PathId) -> Html:
    """One tag or type."""
    if kind not in ("tags", "types"):
        return see_other(request, "/vocabulary")
    word = await _get(read, kind, word_id)
    return page(request, "word.html", kind=kind, word=word, form=filled(word))


@post("/vocabulary/{kind:str}/{word_id:int}", opt=members)
async def rename_word(
    request: Request[Any, Any, Any], database: Database, user: Principal, kind: str, word_id: PathId
) -> Html:
    """Renames it on every item."""
    form: Form[Any] = await (
        read_form(request, NewTag) if _kind(kind) == "tags" else read_changes(request, ItemTypeChange)
    )
    form.require("name")
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                if kind == "tags":
                    await part_repository.rename_tag(tx, word_id, form.data, user)
                else:
                    await part_repository.change_item_type(tx, word_id, form.data, user)
    return await _answer(request, database, kind, word_id, form, kind.removesuffix("s"))


@post("/vocabulary/{kind:str}/{word_id:int}/combine", opt=members)
async def combine(
    request: Request[Any, Any, Any], database: Database, user: Principal, kind: str, word_id: PathId
) -> Html:
    """Combines it with another one."""
    form: Form[Any] = Form(await read_values(request))
    with form.catching():
        async with database.transaction() as tx:
            into = await _other(tx, _kind(kind), form)
            await (combine_tags if kind == "tags" else combine_types)(tx, word_id, into, user)
    return await _answer(request, database, kind, word_id, form, "combined")


@post("/vocabulary/{kind:str}/{word_id:int}/delete", opt=members)
async def delete_word(
    request: Request[Any, Any, Any], database: Database, user: Principal, kind: str, word_id: PathId
) -> Html:
    """Deletes it; a type that items have is not deleted."""
    form: Form[Any] = Form(await read_values(request))
    with form.catching():
        async with database.transaction() as tx:
            if _kind(kind) == "tags":
                await part_repository.remove_tag(tx, word_id, user)
            else:
                await part_repository.remove_item_type(tx, word_id, user)
    return await _answer(request, database, kind, word_id, form, f"no-{kind.removesuffix('s')}")


def _kind(kind: str) -> Kind:
    if kind == "tags":
        return "tags"
    if kind == "types":
        return "types"
    raise NotFound("Only tags and types are changed here; a seller is changed on its items")


async def _get(read: Connection, kind: str, word_id: int) -> Tag | ItemType:
    if kind == "tags":
        return await part_repository.get_tag(read, word_id)
    return await part_repository.get_item_type(read, word_id)


async def _other(tx: Connection, kind: Kind, form: Form[Any]) -> int:
    """The tag or type of the picker, by its id or its whole name."""
    text = str(form.text("into_text")).strip()
    chosen = str(form.text("into")).strip()
    if kind == "types" and chosen.isascii() and chosen.isdigit() and 1 <= int(chosen[:17]) <= MAX_ID:
        return int(chosen[:17])
    if not (chosen or text):
        raise Invalid("is required", field="into")
    find = part_repository.find_tag if kind == "tags" else part_repository.find_item_type
    found = await find(tx, chosen or text)
    if found is None:
        raise Conflict("there is none of this name", field="into")
    return found


async def _words(read: Connection, kind: Kind, search: str, skip: int) -> list[Any]:
    if kind == "sellers":
        return await part_repository.list_sellers(read, skip=skip, limit=ROWS + 1, pattern=like_pattern(search))
    pattern = like_pattern(name_key(search))
    if kind == "types":
        return await part_repository.list_item_types(read, skip=skip, limit=ROWS + 1, pattern=pattern)
    return await part_repository.list_tags(read, skip=skip, limit=ROWS + 1, pattern=pattern)


async def _answer(
    request: Request[Any, Any, Any], database: Database, kind: str, word_id: int, form: Form[Any], done: str
) -> Html:
    if not form.errors:
        return see_other(request, "/vocabulary", kind=kind, done=done)
    if (refusal := refused(request, form)) is not None:
        return refusal
    async with database.read() as read:
        return page(request, "word.html", form.status, kind=kind, word=await _get(read, kind, word_id), form=form)


async def _list_page(
    request: Request[Any, Any, Any], read: Connection, kind: Kind, search: str, number: int, form: Form[Any]
) -> Html:
    words = await _words(read, kind, search, (number - 1) * ROWS)
    return page(
        request,
        "vocabulary.html",
        form.status,
        kind=kind,
        words=words[:ROWS],
        is_more=len(words) > ROWS,
        number=number,
        search=search,
        form=form,
        done=done_with_item(request),
    )


routes = [show_vocabulary, add_word, show_word, rename_word, combine, delete_word]
