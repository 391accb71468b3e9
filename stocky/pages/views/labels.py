"""`/labels`: sheets of labels to print for items, locations and scanner commands; all of it is in the address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, get
from litestar.datastructures import Cookie, State

from stocky.auth.guards import members
from stocky.errors import Invalid
from stocky.http.client_address import client_info
from stocky.pages import pickers, sheets
from stocky.pages.decoding import available
from stocky.pages.forms import Form, parse_form
from stocky.pages.labels import MOST_LABELS, SHEETS
from stocky.pages.languages import language_of
from stocky.pages.rendering import Html, page
from stocky.pages.sheets import Chosen, LabelsForm

if TYPE_CHECKING:
    from markupsafe import Markup

_YEAR = 365 * 24 * 3600
_BOXES = ("commands", "barcode")


@get("/labels", opt=members)
async def show_labels(request: Request[Any, Any, Any], state: State) -> Html:
    """What is printed, the sheet, and the pages as they are printed."""
    query = {name: request.query_params.getall(name) for name in request.query_params}
    for name in ("items", "locations"):
        query[name] = [",".join(query.get(name, []))]
    stored = sheets.from_cookie(request.cookies.get(sheets.COOKIE))
    values = {name: [str(value)] for name, value in stored.items()} | {
        name: each for name, each in query.items() if any(each)
    }
    picking = Form[Any](values)
    async with state.database.read() as read:
        with picking.catching():
            await read.run(pickers.pick_item, values, "item_id")
            await read.run(pickers.pick_location, values, "location_id")
        form = parse_form(values, LabelsForm, boxes=_BOXES)
        form.errors |= picking.errors
        chosen = Chosen([], [])
        if form.has_data:
            chosen = await sheets.choose(read, form.data)
    pages: list[Markup] = []
    printed = []
    if form.has_data:
        printed = chosen.to_labels(form.data, language_of(request))
        with form.catching():
            if len(printed) > MOST_LABELS:
                raise Invalid(f"At most {MOST_LABELS} labels are printed at once", field="copies")
            pages = await sheets.draw(printed, form.data)
    return page(
        request,
        "labels.html",
        form=form,
        chosen=chosen,
        pages=pages,
        count=len(printed),
        sheet=form.data.to_sheet() if form.has_data else None,
        titles={name: sheets.title(each) for name, each in SHEETS.items()},
        can_draw_barcodes=available(),
        cookies=[_sheet_cookie(request, state, form.data)]
        if form.has_data and "sheet" in query and not form.errors
        else None,
    )


def _sheet_cookie(request: Request[Any, Any, Any], state: State, form: LabelsForm) -> Cookie:
    client = client_info(request, state.config)
    return Cookie(
        key=sheets.COOKIE,
        value=sheets.to_cookie(form),
        path=client.base_path or "/",
        max_age=_YEAR,
        httponly=True,
        samesite="lax",
        secure=client.is_secure,
    )


routes = [show_labels]
