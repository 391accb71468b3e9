"""Parses the form fields of an import, and computes the key that identifies a repeated import."""

from __future__ import annotations

import hashlib
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stocky.catalogue.schemas import Name
from stocky.errors import Invalid
from stocky.http.validation_messages import describe_error
from stocky.imports import presets
from stocky.imports.csv_reader import Sheet
from stocky.imports.dates import DateOrder
from stocky.imports.layout import DELIMITERS
from stocky.imports.schemas import Empty, Encoding, ImportOptions, ItemKey, StockMode, Unmatched

E = TypeVar("E", bound=Enum)

MAX_KEY = 128
_LATER_OPTIONS: dict[str, Any] = {
    "header_row": None, "dates": None, "location": None, "repair_barcodes": None, "preset": None, "update_items": True,
    "project_id": None, "project": None, "unmatched": "refuse",
}  # fmt: skip
_NEVER = object()
_WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "point": ".", "dot": "."}
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def options_of(fields: dict[str, str]) -> ImportOptions:
    """The options of a form. Raises Invalid for an unknown or invalid option, with its name."""
    for name in fields.keys() - set(ImportOptions.__struct_fields__):
        options = ", ".join(ImportOptions.__struct_fields__)
        raise Invalid(f"{name}: unknown option; the options are {options}", field=name)
    given = {name: text.strip(" \r\n") for name, text in fields.items() if text.strip(" \r\n")}
    key = given.get("import_key")
    if key is not None and len(key) > MAX_KEY:
        raise Invalid(f"import_key: it has {len(key)} characters; the maximum is {MAX_KEY}", field="import_key")
    if any("\0" in text for text in given.values()):
        raise Invalid("Text may not contain NUL characters", field="body")
    preset = _preset(given.get("preset"))
    if preset is not None and "mapping" in given:
        raise Invalid("mapping: a preset has its own; leave one of the two out", field="mapping")
    if "project" in given and "project_id" in given:
        raise Invalid("project: it is the name of a new project; leave project or project_id out", field="project")
    given = {**(preset.options if preset else {}), **given}
    return ImportOptions(
        mapping=_mapping(given.get("mapping")),
        key=_choice(ItemKey, "key", given) or ItemKey.AUTO,
        stock=_choice(StockMode, "stock", given) or StockMode.SET,
        empty=_choice(Empty, "empty", given) or Empty.KEEP,
        create_locations=_flag("create_locations", given, default=True),
        dry_run=_flag("dry_run", given, default=False),
        partial=_flag("partial", given, default=False),
        encoding=_choice(Encoding, "encoding", given) or Encoding.AUTO,
        delimiter=_mark("delimiter", given, DELIMITERS),
        decimal=_mark("decimal", given, ".,"),  # type: ignore[arg-type]  # it is one of the two
        import_key=key,
        preset=None if given.get("preset", "").lower() == "auto" else given.get("preset", "").lower() or None,
        update_items=_flag("update_items", given, default=True),
        header_row=_number("header_row", given),
        dates=None if given.get("dates", "").lower() == "auto" else _choice(DateOrder, "dates", given),
        location=_name("location", given),
        repair_barcodes=None
        if given.get("repair_barcodes", "auto").lower() == "auto"
        else _flag("repair_barcodes", given, default=True),
        project_id=_number("project_id", given),
        project=_name("project", given),
        unmatched=_choice(Unmatched, "unmatched", given) or Unmatched.REFUSE,
    )


def open_sheet(file: Path, options: ImportOptions) -> Sheet:
    """Opens the file with these options. Raises Invalid for a file that is not a table."""
    return Sheet(
        file,
        None if options.encoding is Encoding.AUTO else options.encoding.value,
        options.delimiter,
        options.header_row,
        options.mapping or (),
    )


def import_key(file: Path, options: ImportOptions) -> tuple[str, str]:
    """The key of an import, and the fingerprint of the file with its reading options.

    Without an import_key the fingerprint is the key.
    """
    read_as = {
        name: value
        for name, value in msgspec.to_builtins(options).items()
        if name not in ("dry_run", "partial", "create_locations", "import_key")
        and (name, value) != ("preset", presets.NONE)
        # A file has the same fingerprint as before these options existed.
        and value != _LATER_OPTIONS.get(name, _NEVER)
    }
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16))
    digest.update(msgspec.json.encode(read_as, order="deterministic"))
    fingerprint = digest.hexdigest()
    if options.import_key is None:
        return fingerprint, fingerprint
    return hashlib.blake2b(options.import_key.encode(), digest_size=16, person=b"named").hexdigest(), fingerprint


def _mapping(text: str | None) -> dict[str, str | None] | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, str | None])
    except msgspec.MsgspecError:
        raise Invalid(
            'mapping: send a JSON object of headers and fields, as in {"Artikel": "name", "Menge": "quantity"}',
            field="mapping",
        ) from None


def _choice(choices: type[E], name: str, given: dict[str, str]) -> E | None:
    if name not in given:
        return None
    try:
        return choices(given[name])
    except ValueError:
        values = ", ".join(each.value for each in choices)
        raise Invalid(f"{name}: {given[name]!r} is not one of {values}", field=name) from None


def _flag(name: str, given: dict[str, str], *, default: bool) -> bool:
    text = given.get(name, str(default)).lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise Invalid(f"{name}: {text!r} is neither true nor false", field=name)


def _preset(text: str | None) -> presets.Preset | None:
    if text is None or text.lower() in ("auto", presets.NONE):
        return None
    if text.lower() not in presets.BY_NAME:
        names = ", ".join(("auto", presets.NONE, *presets.BY_NAME))
        raise Invalid(f"preset: {text!r} is not one of {names}", field="preset")
    return presets.BY_NAME[text.lower()]


def _name(option: str, given: dict[str, str]) -> str | None:
    try:
        return msgspec.convert(given.get(option), Name | None)
    except msgspec.ValidationError as error:
        raise Invalid(f"{option}: {describe_error(error, Name)}", field=option) from None


def _number(name: str, given: dict[str, str]) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0:
        return int(text)
    raise Invalid(f"{name}: {text!r} is not a whole number from 1", field=name)


def _mark(name: str, given: dict[str, str], marks: str) -> str | None:
    text: Any = given.get(name)
    if text is None or text == "auto":
        return None
    text = _WORDS.get(text.lower(), text)
    if len(text) == 1 and text in marks:
        return str(text)
    words = ", ".join(word for word, mark in _WORDS.items() if mark in marks)
    raise Invalid(f"{name}: {text!r} is not one of auto, {words}", field=name)
