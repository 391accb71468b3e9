"""Parses the form fields of an import, and computes the key that identifies a repeated import."""

from __future__ import annotations

import hashlib
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stocky.errors import Invalid
from stocky.imports.csv_reader import DELIMITERS, Sheet
from stocky.imports.schemas import Empty, Encoding, ImportOptions, ItemKey, StockMode

E = TypeVar("E", bound=Enum)

MAX_KEY = 128
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
    )


def open_sheet(file: Path, options: ImportOptions) -> Sheet:
    """Opens the file with these options. Raises Invalid for a file that is not a table."""
    return Sheet(file, None if options.encoding is Encoding.AUTO else options.encoding.value, options.delimiter)


def import_key(file: Path, options: ImportOptions) -> tuple[str, str]:
    """The key of an import, and the fingerprint of the file with its reading options.

    Without an import_key the fingerprint is the key.
    """
    read_as = {
        name: value
        for name, value in msgspec.to_builtins(options).items()
        if name not in ("dry_run", "partial", "create_locations", "import_key")
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


def _mark(name: str, given: dict[str, str], marks: str) -> str | None:
    text: Any = given.get(name)
    if text is None or text == "auto":
        return None
    text = _WORDS.get(text.lower(), text)
    if len(text) == 1 and text in marks:
        return str(text)
    words = ", ".join(word for word, mark in _WORDS.items() if mark in marks)
    raise Invalid(f"{name}: {text!r} is not one of auto, {words}", field=name)
