"""The filters of the templates: numbers and times in the language of the page, which is `languages.current`.

Times are UTC in the HTML; a script shows them in the browser's zone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from stocky.clock import local_date
from stocky.pages.languages import current

_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "de": ("Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sep.", "Okt.", "Nov.", "Dez."),
}
_MINUS = "\N{MINUS SIGN}"
# Up to this, a float without a fraction has all its digits.
_EXACT = 10**15
_NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
_SIZES = ("bytes", "KB", "MB", "GB", "TB")

Number = int | float | Decimal


def quantity(value: Number) -> str:
    """`1.5`, `1,5` in German; without trailing zeros and without separators, so that a form accepts it."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return f"{value:.0f}".replace("-", _MINUS) if value else "0"
    exact = value if isinstance(value, Decimal) else Decimal(str(value))
    text = f"{round(exact, 3):f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text in ("-0", ""):
        text = "0"
    return text.replace(".", _decimal_point()).replace("-", _MINUS)


def decimal(text: str) -> str:
    """A decimal number of any size, with a comma in German; without separators, so that a form accepts it."""
    return text.replace(".", _decimal_point()).replace("-", _MINUS)


def signed(value: Number) -> str:
    """A change of a quantity: `+1`, `−2`."""
    text = quantity(value)
    return text if text == "0" or text.startswith(_MINUS) else f"+{text}"


def unit(name: str | None) -> str:
    """The unit to write after an amount: nothing for pieces."""
    return "" if name is None or name == "piece" else name


def measured(value: Number, name: str | None) -> str:
    """An amount with its unit: `264 g`, and `2` for pieces."""
    return f"{quantity(value)} {unit(name)}".rstrip()


def money(value: Number, currency: str, *, whole: bool = False) -> str:
    """`€2.49`, `2,49 €` in German; all decimals of a price, or with `whole` those that the currency has."""
    from babel.numbers import format_currency

    amount, language = Decimal(f"{value:.6f}"), current.get()
    if whole:
        return format_currency(amount, currency, locale=language)
    amount = amount.normalize() + 0
    return format_currency(
        amount, currency, locale=language, currency_digits=amount == round(amount, 2), decimal_quantization=False
    )


def number(value: int) -> str:
    """A count: `3,587`, `3.587` in German."""
    return f"{value:,}".replace(",", "." if current.get() == "de" else ",").replace("-", _MINUS)


def percent(value: Number) -> str:
    """A share from 0 to 1: `37%`, `37 %` in German."""
    return f"{round(float(value) * 100)}{_NARROW_SPACE if current.get() == 'de' else ''}%"


def filesize(size: int) -> str:
    """`23 KB`, `1.4 MB`; with one decimal below ten."""
    amount, unit = float(size), 0
    while amount >= 999.5 and unit < len(_SIZES) - 1:
        amount, unit = amount / 1000, unit + 1
    text = f"{amount:.1f}" if unit and amount < 9.95 else f"{amount:.0f}"
    return f"{text.replace('.', _decimal_point())} {_SIZES[unit]}"


def moment(value: datetime | None) -> str:
    """A `<time>` element; empty for None."""
    from markupsafe import Markup

    if value is None:
        return ""
    utc = value.astimezone(UTC)
    date_of, time_of = utc.isoformat(" ", "seconds")[:19].split()
    shown = f"{_day(utc)}, {time_of[:5]} UTC"
    element = f'<time datetime="{date_of}T{time_of}Z" title="{date_of} {time_of} UTC">{shown}</time>'
    return Markup(element)  # noqa: S704 - only digits and names of months


def day(value: date | None) -> str:
    """A `<time>` element with a date, such as that on which a lot expires; empty for None."""
    from markupsafe import Markup

    if value is None:
        return ""
    return Markup('<time datetime="{}">{}</time>').format(f"{value:%Y-%m-%d}", _day(value))


def local_day(value: datetime) -> str:
    """A `<time>` element with the date of a moment in the configured zone, as due dates are."""
    return day(local_date(value))


def day_text(value: date) -> str:
    """A date without an element, for titles and labels."""
    return _day(value)


def _day(value: date) -> str:
    language = current.get()
    month = _MONTHS[language][value.month - 1]
    return f"{value.day}{'.' if language == 'de' else ''} {month} {value.year}"


def _decimal_point() -> str:
    return "," if current.get() == "de" else "."


FILTERS = {
    each.__name__: each
    for each in (
        quantity,
        decimal,
        signed,
        unit,
        measured,
        money,
        number,
        percent,
        filesize,
        moment,
        day,
        local_day,
        day_text,
    )
}
