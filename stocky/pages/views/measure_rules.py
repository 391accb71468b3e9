"""The rules for variable-measure barcodes: adding, changing, deleting and trying them; see `settings.measure_rules`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.datastructures import State
from litestar.params import Parameter

from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.barcodes.codes import LONGEST_TEXT, is_blank
from stocky.barcodes.measure_presets import PRESETS
from stocky.barcodes.measures import MeasureRule
from stocky.catalogue import item_numbers
from stocky.catalogue.item_numbers import BarcodeToTry
from stocky.db import Connection
from stocky.errors import Conflict, Invalid, NotFound
from stocky.http.validation_messages import describe_error
from stocky.pages.forms import Form, filled, read_form, read_values
from stocky.pages.languages import Text, _, plural
from stocky.pages.rendering import Html, page, see_other
from stocky.settings import repository
from stocky.settings.schemas import SettingsChange

_PATH = "/settings/measure-rules"
_MEASURES: dict[str, Text] = {"weight": _("Weight in kg"), "price": _("Price"), "count": _("Number of pieces")}
_DIVISORS = (1, 10, 100, 1_000)
_COUNTRIES: dict[str, Text] = {
    "AT": _("Austria"),
    "CA": _("Canada"),
    "CH": _("Switzerland"),
    "DE": _("Germany"),
    "DK": _("Denmark"),
    "EE": _("Estonia"),
    "ES": _("Spain"),
    "FI": _("Finland"),
    "FR": _("France"),
    "GB": _("United Kingdom"),
    "IT": _("Italy"),
    "LT": _("Lithuania"),
    "LV": _("Latvia"),
    "NL": _("Netherlands"),
    "NO": _("Norway"),
    "SE": _("Sweden"),
    "US": _("United States"),
}
_DONE: dict[str, Callable[[int], Text]] = {
    "saved": lambda _count: _("The rule is saved."),
    "deleted": lambda _count: _("The rule is deleted."),
    "preset": lambda count: plural("%(num)s rule is added.", "%(num)s rules are added.", count),
    "numbers": lambda count: plural("%(num)s item number is added.", "%(num)s item numbers are added.", count),
}
BarcodeText = Annotated[str, Parameter(max_length=LONGEST_TEXT)]
Prefix = Annotated[str, Parameter(max_length=20)]


@get(_PATH, opt=admins)
async def show_rules(request: Request[Any, Any, Any], read: Connection, barcode: BarcodeText = "") -> Html:
    """All rules, what they read in a barcode, and the barcodes from before."""
    return await _list_page(request, read, Form(), barcode)


@get(f"{_PATH}/new", opt=admins)
async def show_new_rule(request: Request[Any, Any, Any]) -> Html:
    """The form for a rule."""
    return _form_page(request, Form(), None)


@post(f"{_PATH}/new", opt=admins)
async def add_rule(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """Adds a rule."""
    form = await read_form(request, MeasureRule)
    if not form.errors:
        with form.catching():
            await _change(state, user, lambda rules: [*_without(rules, form.data.prefix, is_new=True), form.data])
    return _form_page(request, form, None) if form.errors else see_other(request, _PATH, done="saved")


@get(f"{_PATH}/{{prefix:str}}", opt=admins)
async def show_rule(request: Request[Any, Any, Any], read: Connection, prefix: Prefix) -> Html:
    """One rule."""
    rule = _find(await repository.get_measure_rules(read), prefix)
    return _form_page(request, filled(rule), prefix)


@post(f"{_PATH}/{{prefix:str}}", opt=admins)
async def change_rule(request: Request[Any, Any, Any], state: State, user: Principal, prefix: Prefix) -> Html:
    """Saves a rule, perhaps with another prefix."""
    form = await read_form(request, MeasureRule)

    def changed(rules: Sequence[MeasureRule]) -> list[MeasureRule]:
        old, new = _find(rules, prefix), form.data
        others = _without(rules, new.prefix, is_new=new.prefix != prefix)
        return [new if each is old else each for each in rules if each is old or each in others]

    if not form.errors:
        with form.catching():
            await _change(state, user, changed)
    return _form_page(request, form, prefix) if form.errors else see_other(request, _PATH, done="saved")


@post(f"{_PATH}/{{prefix:str}}/delete", opt=admins)
async def delete_rule(request: Request[Any, Any, Any], state: State, user: Principal, prefix: Prefix) -> Html:
    """Deletes a rule."""

    def without(rules: Sequence[MeasureRule]) -> list[MeasureRule]:
        deleted = _find(rules, prefix)
        return [each for each in rules if each is not deleted]

    await _change(state, user, without)
    return see_other(request, _PATH, done="deleted")


@post("/settings/measure-presets", opt=admins)
async def add_preset(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """Adds the rules of a country whose prefixes have none yet."""
    form: Form[Any] = Form(await read_values(request))
    added = 0
    with form.catching():
        preset = PRESETS.get(str(form.text("country")))
        if preset is None:
            raise Invalid("choose a country", field="country")

        def with_preset(rules: Sequence[MeasureRule]) -> list[MeasureRule]:
            nonlocal added
            known = {each.prefix for each in rules}
            new = [each for each in preset.rules if each.prefix not in known]
            added = len(new)
            return [*rules, *new]

        await _change(state, user, with_preset)
    if not form.errors:
        return see_other(request, _PATH, done="preset", count=added)
    async with state.database.read() as read:
        return await _list_page(request, read, form, "")


@post("/settings/item-numbers", opt=admins)
async def add_item_numbers(request: Request[Any, Any, Any], tx: Connection, user: Principal) -> Html:
    """Gives items the item numbers of their barcodes."""
    added = await item_numbers.add_item_numbers(tx, user)
    return see_other(request, _PATH, done="numbers", count=added.added)


async def _change(
    state: State, by: Principal, changed: Callable[[Sequence[MeasureRule]], Sequence[MeasureRule]]
) -> None:
    """Changes the rules, also those in use. Raises Conflict, Invalid, NotFound."""
    async with state.database.transaction() as tx:
        rules = msgspec.to_builtins(changed(await repository.get_measure_rules(tx)))
        try:
            change = msgspec.convert({"measure_rules": rules}, SettingsChange)
        except msgspec.ValidationError as error:
            raise Invalid(describe_error(error, SettingsChange)) from None
        await repository.change_settings(tx, change, by)
    await state.measure_rules.changed()


def _find(rules: Sequence[MeasureRule], prefix: str) -> MeasureRule:
    for each in rules:
        if each.prefix == prefix:
            return each
    raise NotFound(f"There is no rule for the prefix {prefix}")


def _without(rules: Sequence[MeasureRule], prefix: str, *, is_new: bool) -> list[MeasureRule]:
    """The rules for other prefixes. Raises Conflict if there is one for a new prefix."""
    if is_new and any(each.prefix == prefix for each in rules):
        raise Conflict("There is a rule for this prefix already; change that one", field="prefix")
    return [each for each in rules if each.prefix != prefix]


def _form_page(request: Request[Any, Any, Any], form: Form[Any], prefix: str | None) -> Html:
    return page(
        request,
        "measure-rule.html",
        form.status,
        form=form,
        prefix=prefix,
        measures=list(_MEASURES.items()),
        divisors=[(each, each) for each in _DIVISORS],
    )


async def _list_page(request: Request[Any, Any, Any], read: Connection, form: Form[Any], barcode: str) -> Html:
    rules = await repository.get_measure_rules(read)
    tried = None if is_blank(barcode) else await item_numbers.try_barcode(read, BarcodeToTry(barcode=barcode))
    query = request.query_params
    done, text = _DONE.get(query.get("done", "")), query.get("count", "")
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
    return page(
        request,
        "measure-rules.html",
        form.status,
        form=form,
        rules=sorted(rules, key=lambda each: each.prefix),
        measures=_MEASURES,
        countries=[
            (each.country, _COUNTRIES[each.country]) for each in sorted(PRESETS.values(), key=lambda each: each.name)
        ],
        known=await item_numbers.list_barcodes_with_measure(read),
        barcode=barcode,
        tried=tried,
        done=None if done is None else done(count),
    )


routes = [show_rules, show_new_rule, add_rule, show_rule, change_rule, delete_rule, add_preset, add_item_numbers]
