"""HTML forms as the Structs of the API: the same rules; errors are shown beside their fields, all typed values stay.

A form rejects what the API rejects: NUL characters, numbers that are not exact, values out of bounds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import msgspec
from litestar import Request
from msgspec import inspect

from stocky.errors import BadRequest, Conflict, Invalid, Stale, StockyError, TooLarge, Unsupported
from stocky.http.validation_messages import describe_error
from stocky.pages.languages import language_of
from stocky.pages.messages import message
from stocky.quantity import read_number

T = TypeVar("T", bound=msgspec.Struct)

# Names and values of a form: of a name that occurs several times, all values.
Values = Mapping[str, list[str]]

# A form has at most this many values; the body is bounded as that of the API.
MAX_VALUES = 10_000
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
# Of a list that is typed as one text, which entry is wrong is no help.
_INDEX = re.compile(r"^\[\d+\]: ")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
# Digits with the separators of thousands of a language; `1.500` in German.
_GROUPED = {mark: re.compile(rf"[1-9][0-9]{{0,2}}(?:[{mark}][0-9]{{3}})+") for mark in ".,"}
_BLANKS = str.maketrans("", "", " \u00a0\u202f")
_YES = frozenset({"true", "on", "1", "yes"})
_NO = frozenset({"false", "off", "0", "no", ""})
# Errors that the user of a form can correct; any other becomes a problem page.
_MENDABLE = (BadRequest, Conflict, Invalid, Stale, TooLarge)
_REQUIRED = "is required"


class Form(Generic[T]):
    """A form as typed, with its errors by field; those under "" concern the whole form."""

    def __init__(
        self, values: Values | None = None, errors: dict[str, str] | None = None, data: T | None = None
    ) -> None:
        self.values = dict(values or {})
        self.errors = dict(errors or {})
        self.status = 422 if self.errors else 200
        self._data = data

    @property
    def data(self) -> T:
        """The Struct; only for a form without errors."""
        if self._data is None:
            raise ValueError("A form with errors has no data")
        return self._data

    @property
    def has_data(self) -> bool:
        """Whether the fields were valid; an error that was added later does not remove the data."""
        return self._data is not None

    def text(self, name: str, default: Any = "") -> Any:
        """The text typed into a field, for its `value`; of several, the last."""
        typed = self.values.get(name)
        return typed[-1] if typed else default

    def texts(self, name: str) -> list[str]:
        """The texts typed into the fields of this name, or chosen in a list."""
        return self.values.get(name, [])

    def checked(self, name: str) -> bool:
        """Whether a check box was ticked."""
        return str(self.text(name)).strip().lower() in _YES

    def error(self, name: str) -> str:
        """The error of a field; empty if there is none."""
        return message(self.errors.get(name, ""))

    @property
    def general_error(self) -> str:
        """The error of the whole form, or of a field that it does not show."""
        return "; ".join(
            message(text) if not name else f"{name}: {message(text)}"
            for name, text in self.errors.items()
            if not name or name not in self.values
        )

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Catches errors of the block that the user can correct, so that the form is shown again.

        The transaction must be inside the block, or it would be committed after the error: never with `tx` as a
        parameter of the handler. Use `data` inside the block; check `errors` after it.
        """
        try:
            yield
        except _MENDABLE as error:
            self.refuse(error)

    def require(self, *names: str) -> None:
        """Adds an error for each of these fields that is empty; a change would leave such a field as it was."""
        for name in names:
            if not str(self.text(name)).strip():
                self.errors.setdefault(name, _REQUIRED)
                self.status = 422

    def refuse(self, error: StockyError) -> None:
        """Adds an error that the work of the form raised, with its status."""
        self.errors[error.field or ""] = error.detail
        self.status = int(error.status)


def filled(values: Mapping[str, Any] | msgspec.Struct) -> Form[Any]:
    """A form that shows these values, such as those of an item to edit; None is an empty field."""
    given = msgspec.structs.asdict(values) if isinstance(values, msgspec.Struct) else values
    return Form({name: _shown(value) for name, value in given.items()})


def shown_fields(form: Form[Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    """The hidden fields of a form for `changed_values`: the values that it shows, or showed before it had errors."""
    return {f"was-{name}": form.text(f"was-{name}", _hidden(value)) for name, value in shown.items()}


def changed_values(values: Values) -> dict[str, list[str]]:
    """The fields that differ from what the form showed, so that an old form does not put back what others changed.

    A picker, with its id and its text, is one field, and so are the boxes of one name.
    """
    same = {name for name, typed in values.items() if [_as_one(typed)] == values.get(f"was-{name}")}

    def is_same(name: str) -> bool:
        bare = name.removesuffix("_text")
        return all(each in same for each in (bare, f"{bare}_text") if each in values)

    return {name: typed for name, typed in values.items() if not is_same(name)}


async def read_form(
    request: Request[Any, Any, Any], kind: type[T], *, boxes: Collection[str] = (), without: Collection[str] = ()
) -> Form[T]:
    """The form in the body of a request as a `kind`; see `parse_form`. Raises Unsupported for another body."""
    return parse_form(await read_values(request), kind, boxes=boxes, without=without, language=language_of(request))


async def read_changes(
    request: Request[Any, Any, Any], kind: type[T], *, boxes: Collection[str] = (), without: Collection[str] = ()
) -> Form[T]:
    """The form as `read_form` reads it, with what differs from the values that it showed, by its `shown_fields`."""
    values = await read_values(request)
    # Browsers send a box only when ticked.
    sent = {name: [""] for name in boxes} | values
    form = parse_form(changed_values(sent), kind, without=without, language=language_of(request))
    form.values = values
    return form


async def read_values(request: Request[Any, Any, Any]) -> dict[str, list[str]]:
    """The fields of a form in the body, without files, with LF for the CR LF that browsers send.

    Raises Unsupported, Invalid for NUL, TooLarge.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _FORM_TYPES:
        raise Unsupported("This takes a form")
    values: dict[str, list[str]] = {}
    count = 0
    for name, value in (await request.form()).multi_items():
        count += 1
        if not isinstance(value, str):
            continue
        if "\0" in value or "\0" in name:
            raise Invalid("Text may not contain NUL characters", field=name.replace("\0", ""))
        values.setdefault(name, []).append(value.replace("\r\n", "\n"))
    if count > MAX_VALUES:
        raise TooLarge(f"The form has more than {MAX_VALUES:,} values; send less at a time")
    return values


def parse_form(
    values: Values,
    kind: type[T],
    *,
    boxes: Collection[str] = (),
    without: Collection[str] = (),
    language: str | None = None,
) -> Form[T]:
    """Reads the fields of `kind` from a form, all errors at once; other fields of the form are ignored.

    A field that the form does not have is absent, except for the check `boxes`, which browsers send only when ticked.
    An empty field is an empty text where the type allows one, else None, else absent. Numbers may have a decimal comma,
    and with a `language` the separators of thousands that it has. `without` names fields that no form may set.
    """
    found: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        if name in without:
            continue
        typed = values.get(name)
        if typed is None and name not in boxes:
            if field.required:
                errors[name] = _REQUIRED
            continue
        try:
            value = _read(typed or [], field.type, language)
            if value is not msgspec.UNSET:
                found[field.name] = msgspec.convert(value, field.type, strict=False)
            elif field.required:
                errors[name] = _REQUIRED
        except msgspec.ValidationError as error:
            errors[name] = _INDEX.sub("", describe_error(error, field.type))
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        return Form(values, errors)
    try:
        # The rules between fields.
        return Form(values, data=kind(**found))
    except ValueError as error:
        head, colon, rest = str(error).partition(": ")
        return Form(values, {head: rest} if colon and head.isidentifier() else {"": str(error)})


def _read(typed: list[str], annotation: Any, language: str | None) -> Any:
    """The value of a field to be converted; UNSET for none. Raises ValueError for a text that is not a number."""
    kinds = list(_kinds(inspect.type_info(annotation)))
    if any(isinstance(each, inspect.ListType | inspect.SetType | inspect.FrozenSetType) for each in kinds):
        return [_read_one(each, _items(kinds), language) for each in typed if each.strip()]
    return _read_one(typed[-1] if typed else "", kinds, language)


def _read_one(text: str, kinds: list[inspect.Type], language: str | None) -> Any:
    bare = text.strip()
    if any(isinstance(each, inspect.BoolType) for each in kinds):
        if bare.lower() in _YES:
            return True
        if bare or not _takes_none(kinds):
            return False if bare.lower() in _NO else text
        return None
    if not bare:
        if _takes_empty(kinds):
            return text
        return None if _takes_none(kinds) else msgspec.UNSET
    if any(isinstance(each, inspect.StrType) for each in kinds):
        return text
    is_whole = any(isinstance(each, inspect.IntType) for each in kinds)
    if is_whole or any(isinstance(each, inspect.FloatType | inspect.DecimalType) for each in kinds):
        return _read_number(bare if language is None else _ungrouped(bare, language), is_whole=is_whole)
    return bare


def _read_number(text: str, *, is_whole: bool) -> int | float:
    plain = text.replace("\N{MINUS SIGN}", "-")
    if "." not in plain and plain.count(",") == 1:
        plain = plain.replace(",", ".")
    if not _NUMBER.fullmatch(plain):
        raise ValueError("must be a number")
    if not is_whole:
        return read_number(plain)
    try:
        return int(plain)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _ungrouped(number: str, language: str) -> str:
    """A number without the separators of thousands that a language has.

    Raises ValueError for one whose only mark may be either.
    """
    separator, decimal = (".", ",") if language == "de" else (",", ".")
    compact = number.translate(_BLANKS)
    whole, mark, decimals = compact.partition(decimal)
    if not _GROUPED[separator].fullmatch(whole):
        return number
    plain = whole.replace(separator, "")
    if not mark and whole.count(separator) == 1:
        raise ValueError(f"may be {plain} or {whole.replace(separator, decimal)}; write it without {separator}")
    return f"{plain}.{decimals}" if decimals else plain


def _takes_none(kinds: list[inspect.Type]) -> bool:
    return any(isinstance(each, inspect.NoneType) for each in kinds)


def _takes_empty(kinds: list[inspect.Type]) -> bool:
    """Whether an empty text is a value of the type."""
    return any(
        isinstance(each, inspect.StrType)
        and not each.min_length
        and (each.pattern is None or re.search(each.pattern, "") is not None)
        for each in kinds
    )


def _kinds(kind: inspect.Type) -> Iterator[inspect.Type]:
    """The alternatives of a type."""
    if isinstance(kind, inspect.Metadata):
        yield from _kinds(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _kinds(each)
    else:
        yield kind


def _items(kinds: list[inspect.Type]) -> list[inspect.Type]:
    return [
        inner
        for each in kinds
        if isinstance(each, inspect.ListType | inspect.SetType | inspect.FrozenSetType)
        for inner in _kinds(each.item_type)
    ]


def _hidden(value: Any) -> Any:
    if value is None or value is False:
        return ""
    if isinstance(value, list):
        return _as_one(value)
    return "true" if value is True else value


def _as_one(values: list[str]) -> str:
    """The values of a field as one, in whatever order they came."""
    return ",".join(sorted(values))


def _shown(value: Any) -> list[Any]:
    if value is None or value is msgspec.UNSET:
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    return [value]
