"""Where the text of each field comes from: a column, or what a preset makes of several."""

from __future__ import annotations

import json
from collections.abc import Callable

from msgspec import Struct

from stocky.errors import Invalid
from stocky.exports.csv_cells import unguarded
from stocky.imports import presets
from stocky.imports.fields import BY_NAME, custom_field, plain
from stocky.imports.guessing import assign
from stocky.imports.schemas import ImportOptions, ItemKey
from stocky.schema import FIELD_PREFIX

# The fields by which items are recognised, the best first.
AUTO_KEYS = ("code", "barcode", "name", "manufacturer_code")


class Source(Struct, frozen=True):
    """The text of a field: `read` takes the cells of a row; `header` names the column in messages."""

    field: str
    header: str | None
    read: Callable[[list[str]], str]


class Sources(Struct, frozen=True):
    """The source of each field, the field of each column, and why a row is skipped, if it is."""

    by_field: dict[str, Source]
    fields: dict[str, str | None]
    skips: Callable[[list[str]], str] | None = None


def key_fields(options: ImportOptions) -> list[str]:
    """The fields of which a column has to hold one, to identify items."""
    return list(AUTO_KEYS) if options.key is ItemKey.AUTO else [options.key.value]


def preset_of(options: ImportOptions) -> presets.Preset | None:
    """The preset that the options name."""
    return presets.BY_NAME.get(options.preset or "")


def find_sources(header: list[str], options: ImportOptions) -> Sources:
    """The sources of the fields in a file. Raises Invalid for a mapping or a preset that does not fit the header."""
    preset = preset_of(options)
    if preset is not None:
        return _of_preset(header, preset)
    if options.mapping is None:
        fields = assign(header, [], key_fields(options)).fields
    else:
        fields = _mapped(header, options.mapping)
    return of_fields(header, fields)


def of_fields(header: list[str], fields: dict[str, str | None]) -> Sources:
    """The sources of the fields that columns hold."""
    return Sources(
        {field: Source(field, name, _reader(index)) for index, name in enumerate(header) if (field := fields[name])},
        fields,
    )


def require_key(header: list[str], sources: Sources, options: ImportOptions) -> None:
    """Raises Invalid if no source identifies items."""
    keys = key_fields(options)
    if not any(key in sources.by_field for key in keys):
        example = json.dumps({next(filter(None, header)): "name"}, ensure_ascii=False)
        raise Invalid(
            f"No column holds {' or '.join(keys)}, which identifies items. Rename a column, or send a mapping, as in"
            f" {example}",
            field="mapping",
        )


def cell_at(cells: list[str], index: int) -> str:
    """The text of a cell; a cell that the row lacks is empty."""
    return unguarded(cells[index]) if index < len(cells) else ""


def _reader(index: int) -> Callable[[list[str]], str]:
    return lambda cells: cell_at(cells, index)


def _of_preset(header: list[str], preset: presets.Preset) -> Sources:
    if not presets.fits(preset, header):
        signs = " or ".join(", ".join(sign) for sign in preset.signs)
        raise Invalid(f"preset: the file is not like those of {preset.title}, which have {signs}", field="preset")
    names = {plain(name): index for index, name in reversed(list(enumerate(header)))}
    indexes: dict[str, int] = {}

    def index_of(wanted: str) -> int | None:
        if wanted not in indexes and plain(wanted) in names:
            indexes[wanted] = names[plain(wanted)]
        return indexes.get(wanted)

    def read_with(take: Callable[[presets.Cells], str]) -> Callable[[list[str]], str]:
        def read(cells: list[str]) -> str:
            def cell(wanted: str) -> str:
                index = index_of(wanted)
                return "" if index is None else cell_at(cells, index).strip()

            return take(cell)

        return read

    by_field = {}
    for take in preset.takes:
        column = next((header[index] for name in take.headers if (index := index_of(name)) is not None), None)
        if column is not None or take.default:
            by_field[take.field] = Source(take.field, column, read_with(take.text))
    fields: dict[str, str | None] = dict.fromkeys(header)
    fields.update({name: take.field for name, take in presets.used_headers(preset, header)})
    return Sources(by_field, fields, None if preset.skips is None else read_with(preset.skips))


def _mapped(header: list[str], mapping: dict[str, str | None]) -> dict[str, str | None]:
    fields: dict[str, str | None] = dict.fromkeys(header)
    for name, field in mapping.items():
        if name not in fields:
            raise Invalid(
                f"mapping: there is no column {name!r}; the columns are {', '.join(header[:20])}", field="mapping"
            )
        if not field:
            continue
        wanted, field = field, field if field in BY_NAME else custom_field(field)
        if field is None:
            raise Invalid(
                f"mapping: {wanted!r} is not a field; the fields are {', '.join(BY_NAME)}, and {FIELD_PREFIX} with the"
                " name of a custom field",
                field="mapping",
            )
        if field in fields.values():
            raise Invalid(f"mapping: two columns hold {field}; remove one of them", field="mapping")
        fields[name] = field
    return fields
