"""The small elements that a page has hundreds of, as functions; in templates they are macros of `ui` like all others.

As macros of Jinja2 they took a third of the time of a page with fifty rows. Every text in them is escaped here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from stocky.pages.escaping import escaped, markup
from stocky.pages.filters import unit as shown_unit

_MOST_REPEATED = 5_000


def make_elements(drawings: str) -> dict[str, Callable[..., Markup]]:
    """The functions by name. `drawings` is the address of icons.svg."""

    @functools.lru_cache(_MOST_REPEATED)
    def icon(name: str, size: str = "", label: str = "") -> Markup:
        """A drawing of icons.svg; without `label` assistive technology skips it."""
        described = f'role="img" aria-label="{escaped(label)}"' if label else 'aria-hidden="true"'
        return markup(f'<svg class="icon{_more(size)}" {described}><use href="{drawings}#{name}"></use></svg>')

    def button(
        label: str,
        kind: str = "",
        icon_name: str = "",
        type: str = "submit",
        name: str = "",
        value: Any = "",
        size: str = "",
        bare: bool = False,
        disabled: bool = False,
        attrs: Mapping[str, Any] | None = None,
    ) -> Markup:
        """A button of a form. `kind`: primary, quiet, danger; `bare` shows only the icon, with the label as tooltip."""
        classes = f"button{_more(kind)}{_more(size)}{_more('bare' if bare else '')}"
        named = f' name="{escaped(name)}" value="{escaped(value)}"' if name else ""
        return markup(
            f'<button type="{type}" class="{classes}"{named}{_title(label, bare)}{" disabled" if disabled else ""}'
            f"{_attributes(attrs)}>{_face(label, icon_name, bare)}</button>"
        )

    def link_button(
        label: str,
        href: str,
        kind: str = "",
        icon_name: str = "",
        size: str = "",
        bare: bool = False,
        attrs: Mapping[str, Any] | None = None,
    ) -> Markup:
        """A link that looks like a button; arguments as for `button`."""
        classes = f"button{_more(kind)}{_more(size)}{_more('bare' if bare else '')}"
        return markup(
            f'<a href="{escaped(href)}" class="{classes}"{_title(label, bare)}{_attributes(attrs)}>'
            f"{_face(label, icon_name, bare)}</a>"
        )

    def _face(label: str, icon_name: str, bare: bool) -> str:
        return f"{icon(icon_name) if icon_name else ''}{'' if bare else f'<span>{escaped(label)}</span>'}"

    return {
        "icon": icon,
        "button": button,
        "link_button": link_button,
        "tape": tape,
        "amount": amount,
        "select_box": select_box,
    }


def tape(code: str, kind: str = "") -> Markup:
    """A code as on a label tape."""
    return markup(f'<code class="tape{_more(kind)}">{escaped(code)}</code>')


def amount(quantity: str, unit: str | None = "", kind: str = "", size: str = "") -> Markup:
    """A quantity and its unit. `kind`: low; `size`: large."""
    small = f" <small>{escaped(unit)}</small>" if shown_unit(unit) else ""
    return markup(f'<span class="amount{_more(kind)}{_more(size)}"><b>{escaped(quantity)}</b>{small}</span>')


def select_box(form_id: str, value: Any, label: str, name: str = "id") -> Markup:
    """A check box of a row that belongs to the selection bar `form_id`; with the value "" it selects all rows."""
    sent = " data-select-all" if value == "" else f' name="{escaped(name)}" value="{escaped(value)}"'
    return markup(f'<input type="checkbox" form="{escaped(form_id)}"{sent} aria-label="{escaped(label)}">')


def _more(word: str) -> str:
    """One more class."""
    return f" {escaped(word)}" if word else ""


def _title(label: str, bare: bool) -> str:
    return f' aria-label="{(text := escaped(label))}" title="{text}"' if bare else ""


def _attributes(attrs: Mapping[str, Any] | None) -> str:
    """Attributes with a value; None leaves one out."""
    if not attrs:
        return ""
    return "".join(f' {escaped(name)}="{escaped(value)}"' for name, value in attrs.items() if value is not None)
