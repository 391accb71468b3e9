"""`/labels`: sheets of labels to print for items, locations and scanner commands; the address has the whole state.

With `format=pdf` or `format=svg` the address is that of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.errors import Invalid
from stocky.labels import repository
from stocky.labels.layout import MOST_LABELS, SHEETS, Sheet
from stocky.labels.responses import file_response
from stocky.pages import pickers, sheets
from stocky.pages.decoding import available
from stocky.pages.device_cookies import device_cookie
from stocky.pages.forms import Form, parse_form, read_values
from stocky.pages.languages import Text, _, language_of
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.sheets import LabelsForm, SheetToKeep
from stocky.pages.typed import as_id

if TYPE_CHECKING:
    from markupsafe import Markup

_BOXES = ("commands", "counts", "barcode")
# What is printed, as fields of the address; the other fields are of the sheet.
_CHOICE = ("items", "locations", "commands", "counts", "barcode", "copies", "used")
_DONE: dict[str, Text] = {
    "kept": _("The size is kept, for everyone."),
    "deleted": _("The size is deleted."),
}


@get("/labels", opt=members)
async def show_labels(request: Request[Any, Any, Any], state: State) -> Html:
    """The form for labels and sheet, and the pages as they are printed."""
    query = {name: request.query_params.getall(name) for name in request.query_params}
    for name in ("items", "locations"):
        query[name] = [",".join(query.get(name, []))]
    stored = sheets.from_cookie(request.cookies.get(sheets.COOKIE))
    values = {name: [str(value)] for name, value in stored.items()} | {
        name: each for name, each in query.items() if any(each)
    }
    return await _labels_page(request, state, values, Form(), is_chosen="sheet" in query)


@post("/labels/sheets", opt=members)
async def keep_sheet(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """Keeps a size of its own under a name."""
    values = await read_values(request)
    form = parse_form(values, SheetToKeep)
    if not form.errors:
        with form.catching():
            async with state.database.transaction() as tx:
                await repository.keep_sheet(tx, form.data.name, form.data.to_new(), user)
    if form.errors:
        return await _labels_page(request, state, values | {"sheet": [repository.OWN]}, form)
    return see_other(request, "/labels", **_choice_of(values), sheet=form.data.name, done="kept")


@post("/labels/sheets/delete", opt=members)
async def delete_sheet(request: Request[Any, Any, Any], tx: Connection, user: Principal) -> Html:
    """Deletes a size that was kept."""
    values = await read_values(request)
    await repository.remove_sheet(tx, str(Form[Any](values).text("sheet")), user)
    return see_other(request, "/labels", **_choice_of(values), sheet=sheets.FIRST, done="deleted")


async def _labels_page(
    request: Request[Any, Any, Any],
    state: State,
    values: dict[str, list[str]],
    keeping: Form[Any],
    *,
    is_chosen: bool = False,
) -> Html:
    """The page for the fields of an address, or the file that it asks for. `keeping` is the form to keep a size."""
    picking = Form[Any](values)
    async with state.database.read() as read:
        stored = {each.name: each.to_sheet() for each in await repository.list_own_sheets(read)}
        with picking.catching():
            await read.run(pickers.pick_item, values, "item_id")
            await read.run(pickers.pick_location, values, "location_id")
        form = parse_form(values, LabelsForm, boxes=_BOXES)
        for name in ("format", "page"):
            # No field of the page shows them.
            if name in form.errors:
                raise Invalid(f"{name}: {form.errors[name]}", field=name)
        form.errors |= picking.errors
        # What was chosen stays also when the sheet or the number of copies is wrong.
        chosen = await sheets.choose(read, form.data if form.has_data else _choice(form))
    pages: list[Markup] = []
    printed = []
    sheet: Sheet | None = None
    if form.has_data:
        sheet = form.data.to_sheet(stored)
        printed = chosen.to_labels(form.data, language_of(request))
        with form.catching():
            if len(printed) > MOST_LABELS:
                raise Invalid(f"At most {MOST_LABELS} labels are printed at once", field="copies")
            if form.data.format and printed and not form.errors:
                return await file_response(printed, sheet, form.data.format, used=form.data.used, page=form.data.page)
            pages = await sheets.draw(printed, sheet, form.data.used)
    cookies = []
    if form.has_data and is_chosen and not form.errors:
        cookies.append(device_cookie(request, sheets.COOKIE, sheets.to_cookie(form.data)))
    titles = {name: sheets.title(each) for name, each in SHEETS.items()}
    return page(
        request,
        "labels.html",
        keeping.status,
        form=form,
        keeping=keeping,
        chosen=chosen,
        pages=pages,
        count=len(printed),
        sheet=sheet,
        titles=titles | {name: sheets.stored_title(name, each) for name, each in stored.items()},
        is_stored=form.text("sheet") in stored,
        address=_address(form),
        can_draw_barcodes=available(),
        done=_DONE.get(request.query_params.get("done", "")),
        cookies=cookies,
    )


def _choice(form: Form[Any]) -> LabelsForm:
    """What is chosen in a form with errors."""
    return LabelsForm(
        items=form.text("items"),
        locations=form.text("locations"),
        item_id=as_id(str(form.text("item_id"))),
        location_id=as_id(str(form.text("location_id"))),
    )


def _choice_of(values: dict[str, list[str]]) -> dict[str, Any]:
    """What is printed, as parameters of an address."""
    return {name: values[name][-1] for name in _CHOICE if any(values.get(name, []))}


def _address(form: Form[Any]) -> dict[str, str]:
    """The sheet of the form, as parameters of an address: its lengths, too, if it is one of its own."""
    names = sheets.OwnSheet.__struct_fields__ if form.text("sheet") == repository.OWN else ("sheet",)
    return {name: str(form.text(name)) for name in names}


routes = [show_labels, keep_sheet, delete_sheet]
