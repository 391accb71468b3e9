"""The entries of timelines: events of the ledger, fifty on a page. In templates they are macros of `ui` like others.

As macros of Jinja2 they took half of the time of a page. Every text in them is escaped here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from stocky.pages.escaping import escaped, markup
from stocky.pages.filters import day, measured, moment, quantity, signed
from stocky.stock.event_lines import Line


def make_timeline(
    _: Callable[..., Markup],
    url: Callable[[str], str],
    message: Callable[[str], str],
    elements: Mapping[str, Callable[..., Markup]],
) -> dict[str, Callable[..., Any]]:
    """The functions by name, in the language of `_`. `elements` are those of `make_elements`."""
    button, link_button = elements["button"], elements["link_button"]

    def event(
        type: str,
        text: str,
        title: str,
        when: str,
        href: str = "",
        detail: str = "",
        after: str = "",
        undone: bool = False,
        key: Any = "",
        id: str = "",
        caller: Callable[[], str] | None = None,
    ) -> Markup:
        """An entry. `text`: what changed; `after`: the quantity after it; `caller`: its buttons.

        By `key` a live list marks what is new; by `id` the focus finds the entry again when its button is gone.
        """
        named = f'<a href="{escaped(href)}">{escaped(title)}</a>' if href else escaped(title)
        before = f"{escaped(detail)} · " if detail else ""
        # Not within the f-strings, where the collection of words does not find them. A unit stays beside its amount.
        word, left = _("undone"), _("then %(amount)s", amount=after.replace(" ", "\u00a0"))
        past = f" · {word}" if undone else ""
        then = f'<span class="after">{left}</span>'
        keyed = "" if key == "" else f' data-key="{escaped(key)}"'
        named_by = f' id="{escaped(id)}"' if id else ""
        return markup(
            f'<li class="event{" undone" if undone else ""}"{keyed}{named_by}>'
            f'<span class="sign" data-mode="{escaped(type)}">{escaped(text)}</span>'
            f'<span class="grow"><span class="event-title">{named}</span>'
            f"<small>{before}{escaped(when)}{past}</small></span>"
            f"{then if after != '' else ''}{caller() if caller is not None else ''}</li>"
        )

    def lot(stock: Any) -> Markup:
        """The lot and the serial number of a SKU or an event as text, without what the event's note says already."""
        note = getattr(stock, "note", None) or ""
        if not (stock.lot or stock.serial or stock.opened_on):
            return Markup()
        shown = []
        if stock.lot and f"lot {stock.lot}" not in note:
            shown.append(_("lot %(number)s", number=stock.lot))
        if stock.serial and f"serial {stock.serial}" not in note:
            shown.append(_("serial number %(number)s", number=stock.serial))
        if stock.opened_on:
            shown.append(_("opened on %(day)s", day=day(stock.opened_on)))
        return markup(" · ".join(shown))

    def ledger_line(
        line: Line,
        token: str = "",
        back: str = "/activity",
        swap: str = "ledger",
        batches: Mapping[int, str] | None = None,
    ) -> Markup:
        """An event with its names. `token`: the CSRF token of who may undo it, else "".

        `back` and `swap`: the page and the fragment that show the result. `batches`: the batches of events that lead
        to them, by the ids of the events.
        """
        booked, names = line.event, line.names
        is_total = line.target is None and booked.type != "set" and not line.is_opening
        opened = _("opened") if line.is_opening else ""
        details = (line.location, opened, line.by, lot(booked), message(booked.note) if booked.note else "")

        def buttons() -> str:
            batch = (batches or {}).get(booked.id)
            leading = (
                link_button(
                    _("All of this batch"), url(f"/activity/batches/{batch}"), "quiet", "list", "small", bare=True
                )
                if batch is not None
                else ""
            )
            if not token or not line.may_be_undone:
                return leading
            label = _("Undo: %(name)s", name=names.item_name)
            return (
                f'{leading}<form action="{escaped(url(f"/activity/{booked.id}/undo"))}" method="post"'
                f' data-swap="{escaped(swap)}"><input type="hidden" name="csrf" value="{escaped(token)}">'
                f'<input type="hidden" name="back" value="{escaped(back)}">'
                f"{button(label, 'quiet', 'undo', size='small', bare=True)}</form>"
            )

        return event(
            booked.type,
            ledger_sign(line),
            _("%(name)s, undo", name=names.item_name) if booked.type == "undo" else names.item_name,
            moment(booked.occurred_at),
            url(f"/items/{booked.item_id}"),
            markup(" · ".join(escaped(each) for each in details if each)),
            measured(booked.quantity_after, names.unit) if is_total else "",
            booked.reversed_by_id is not None,
            id=f"event-{booked.id}",
            caller=buttons,
        )

    return {"event": event, "ledger_line": ledger_line, "ledger_sign": ledger_sign, "lot": lot}


def ledger_sign(line: Line) -> str:
    """What a line of the ledger did: `+1`, `−2`, `= 264 g`, `→ 2`."""
    if line.target is not None:
        return f"→ {quantity(abs(line.delta))}"
    if line.is_opening:
        return quantity(line.delta)
    if line.event.type == "set":
        return f"= {measured(line.event.quantity_after, line.names.unit)}"
    return signed(line.delta)
