"""The rows of the table of items, fifty on a page, as functions; on phones a row is a card.

As macros of Jinja2 they took half of the time of a page. Every text in them is escaped here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from stocky.pages.escaping import escaped, markup
from stocky.pages.filters import day, quantity
from stocky.pages.item_rows import ItemRow, LocationStock

_MOST_LOCATIONS = 4


def make_item_table(
    _: Callable[..., Markup],
    plural: Callable[[str, str, int], str],
    url: Callable[[str], str],
    elements: Mapping[str, Callable[..., Markup]],
) -> dict[str, Callable[..., Markup]]:
    """The function by name, in the language of `_` and `plural`.

    `elements` are those of `make_elements`, and the macro `flag`.
    """
    select_box, tape, amount, flag = (elements[name] for name in ("select_box", "tape", "amount", "flag"))

    def item_row(row: ItemRow, selectable: bool = False) -> Markup:
        """A row of the table, with a check box of the selection where rows are `selectable`."""
        item = row.item
        check = image = ""
        if selectable:
            box = select_box("selection", item.id, _("Select %(name)s", name=item.name))
            check = f'<td class="check">{box}</td>'
        if item.image_document_id:
            source = escaped(url(f"/api/v1/documents/{item.image_document_id}/thumbnail"))
            image = f'<img class="thumb" src="{source}" alt="" width="44" height="44" loading="lazy">'
        total = amount(quantity(item.total_quantity), item.unit, "low" if row.remark == "low" else "")
        return markup(
            f'<tr class="shelf" data-storage="{item.default_storage_type.value}">{check}'
            f'<td class="lead">{image}<a href="{escaped(url(f"/items/{item.id}"))}">{escaped(item.name)}</a>'
            f"<div>{tape(item.code)}{remark(row) if row.remark else ''}</div></td>"
            f'<td>{_locations(row.locations)}</td><td class="num side">{total}</td></tr>'
        )

    def _locations(found: Sequence[LocationStock]) -> str:
        """Where it is; the quantities only where there are several."""
        if not found:
            word = _("none in stock")
            return f'<span class="soft">{word}</span>'
        if len(found) == 1:
            return f'<ul class="locations"><li><span>{escaped(found[0].name)}</span></li></ul>'
        shown = "".join(
            f"<li><span>{escaped(each.name)}</span><b>{quantity(each.quantity)}</b></li>"
            for each in found[:_MOST_LOCATIONS]
        )
        left_out = len(found) - _MOST_LOCATIONS
        if left_out > 0:
            text = plural("and %(count)s more location", "and %(count)s more locations", left_out)
            shown += f'<li class="soft">{escaped(text % {"count": left_out})}</li>'
        return f'<ul class="locations">{shown}</ul>'

    def remark(row: ItemRow) -> Markup:
        """The most urgent remark about an item."""
        if row.remark == "low" and row.item.min_quantity is not None:
            return flag("low", _("min %(number)s", number=quantity(row.item.min_quantity)))
        if row.remark == "soon":
            return flag("soon", _("expires %(day)s", day=day(row.expires)))
        if row.remark == "expired":
            return flag("expired", _("expired %(day)s", day=day(row.expires)))
        return flag(row.remark)

    return {"item_row": item_row}
