"""The schemas of the OpenAPI document, made from Structs and enumerations: each has its class's name, and is described.

Msgspec knows most of it: docstrings, bounds, required fields. This adds the descriptions of `descriptions.toml` and the
formats that msgspec omits. It removes defaults: generated clients would send them, or make the field required.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from enum import Enum
from importlib.resources import files
from inspect import cleandoc
from typing import Any

import msgspec
from msgspec import UNSET, Struct, inspect
from msgspec.structs import fields

Schema = dict[str, Any]
REFERENCE = "#/components/schemas/{name}"
_NO_VALUE: tuple[Any, ...] = (None, "", [], {})


class Schemas:
    """The schemas of all types that requests and responses have, by the names of their classes."""

    def __init__(self, requests: Iterable[Any], responses: Iterable[Any]) -> None:
        sent = list(dict.fromkeys(requests))
        kinds = list(dict.fromkeys([*sent, *responses]))
        schemas, self.with_defaults = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
        self._of = dict(zip(kinds, schemas, strict=True))
        self.texts = tomllib.loads(files(__package__).joinpath("descriptions.toml").read_text("utf-8"))
        sent_names = {each.__name__ for each in _classes(sent)}
        classes = {each.__name__: each for each in _classes(kinds)}
        self.components = {
            name: _of_enum(schema, classes[name], self.texts["schemas"].get(name, {}))
            if issubclass(classes[name], Enum)
            else self._of_struct(schema, classes[name], is_sent=name in sent_names)
            for name, schema in self.with_defaults.items()
        }

    def of(self, kind: Any) -> Schema:
        """The schema of a type, with references to its parts; of an optional type that of a value."""
        schema: Schema = self._of[kind]
        given = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
        return given[0] if len(given) == 1 else schema

    def _of_struct(self, schema: Schema, cls: type[Struct], *, is_sent: bool) -> Schema:
        required = set(schema.get("required", []))
        unset = {each.encode_name for each in fields(cls) if each.default is UNSET}
        properties = {}
        type_info = inspect.type_info(cls)
        assert isinstance(type_info, inspect.StructType)
        for field in type_info.fields:
            of_field = schema["properties"][field.encode_name]
            text = self._description(cls, field.encode_name, of_field)
            if is_sent and of_field.get("default") not in _NO_VALUE:
                text = with_default(text, of_field["default"])
            properties[field.encode_name] = {**_complete(of_field, field.type), "description": text}
            # A response omits only what is not set, or what a Struct omits by itself.
            if not is_sent and field.encode_name not in unset and not cls.__struct_config__.omit_defaults:
                required.add(field.encode_name)
        described = {
            **schema,
            "description": cleandoc(schema["description"]),
            "properties": properties,
            "required": [each for each in properties if each in required],
        }
        if not required:
            del described["required"]
        return described

    def _description(self, cls: type[Struct], name: str, schema: Schema) -> str:
        """The description of a property: its own one in the table, else that of its field or type, else by its name."""
        lineage = [each.__name__ for each in cls.__mro__]
        for each in lineage:
            if text := self.texts["schemas"].get(each, {}).get(name):
                return str(text)
        given = [schema, *schema.get("anyOf", [])]
        if text := next((each["description"] for each in given if "description" in each), None):
            return str(text)
        noun = next((self.texts["nouns"][each] for each in lineage if each in self.texts["nouns"]), "")
        return str(self.texts["properties"].get(name, "")).replace("{}", noun)


def with_default(text: str, default: Any) -> str:
    """A description with the default of an optional value, which the schema itself does not have."""
    shown = default if isinstance(default, str) else msgspec.json.encode(default).decode()
    return f"{text}. Default: `{shown}`"


def _of_enum(schema: Schema, cls: type[Enum], texts: dict[str, str]) -> Schema:
    """With a description of each value: for people, and for tools that read `x-enum-descriptions`."""
    described = {each.value: texts.get(each.value, "") for each in cls}
    lines = [f"- `{value}`: {text}" for value, text in described.items()]
    return {
        **schema,
        "description": "\n".join([cleandoc(schema["description"]), "", *lines]),
        "type": "string",
        "enum": list(described),
        "x-enum-descriptions": list(described.values()),
    }


def _complete(schema: Schema, kind: inspect.Type) -> Schema:
    """The schema of a property without its default, and with the formats and types that msgspec omits."""
    kind = _plain(kind)
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    completed = {name: value for name, value in schema.items() if name != "default"}
    if "anyOf" in schema:
        inner = [{name: value for name, value in each.items() if name != "description"} for each in schema["anyOf"]]
        completed["anyOf"] = inner
    # Msgspec gives the format only to times that must have a zone.
    if any(isinstance(_plain(each), inspect.DateTimeType) for each in kinds):
        of_time = next(each for each in completed.get("anyOf", [completed]) if each.get("type") == "string")
        of_time["format"] = "date-time"
    if "enum" in completed:
        completed["type"] = "integer" if all(isinstance(each, int) for each in completed["enum"]) else "string"
    return completed


def _plain(kind: inspect.Type) -> inspect.Type:
    return _plain(kind.type) if isinstance(kind, inspect.Metadata) else kind


def _classes(kinds: Iterable[Any]) -> Iterator[type[Any]]:
    """The Structs and enumerations in these types, each once."""
    seen = set()
    waiting = list(inspect.multi_type_info(kinds))
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, (inspect.StructType, inspect.EnumType)):
            if kind.cls in seen:
                continue
            seen.add(kind.cls)
            yield kind.cls
        if isinstance(kind, inspect.StructType):
            waiting += [each.type for each in kind.fields]
        elif isinstance(kind, inspect.Metadata):
            waiting.append(kind.type)
        elif isinstance(kind, inspect.UnionType):
            waiting += kind.types
        elif isinstance(kind, inspect.DictType):
            waiting.append(kind.value_type)
        elif isinstance(kind, inspect.CollectionType):
            waiting.append(kind.item_type)
