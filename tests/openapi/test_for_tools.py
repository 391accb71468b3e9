"""The document as tools read it: names that code can have, descriptions, formats, patterns, and nothing to guess."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
import typing
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from stocky.schema import AnyCase
from tests.openapi.conftest import Document, Operation
from tests.serving import ROOT

NODE = shutil.which("node")
TABLE = tomllib.loads((ROOT / "stocky" / "http" / "descriptions.toml").read_text("utf-8"))


def _nodes(node: Any) -> Iterator[Document]:
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(each)


def _subclasses(cls: type) -> Iterator[type]:
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)


def _classes(document: Document) -> dict[str, list[type]]:
    """The classes of Stocky with the name of each schema."""
    found: dict[str, list[type]] = {name: [] for name in document["components"]["schemas"]}
    for each in [*_subclasses(msgspec.Struct), *_subclasses(AnyCase)]:
        if each.__module__.startswith("stocky.") and each.__name__ in found:
            found[each.__name__].append(each)
    return found


def test_schemas_have_the_names_of_their_classes(document: Document) -> None:
    schemas = document["components"]["schemas"]
    assert [name for name in schemas if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []
    assert [name for name, schema in schemas.items() if schema["title"] != name] == []


def test_operations_have_the_names_of_their_handlers(described: Litestar, operations: list[Operation]) -> None:
    handlers = {
        (method, route.path_format): handler
        for route in described.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
    }
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids))
    others = {}
    for method, path, operation in operations:
        name = handlers[method, path].handler_name
        if operation["operationId"] != name:
            others[operation["operationId"]] = (method, path.removeprefix("/api/v1"))
            # The handler has a main route, which has its name.
            assert name in ids, (method, path)
            assert operation["operationId"].startswith(f"{name}_")
    assert {method for name, (method, _) in others.items() if name.endswith("_put")} == {"PUT"}
    assert {name: where for name, where in others.items() if not name.endswith("_put")} == {
        "list_logs_log": ("GET", "/log"),
        "stream_logs_log": ("GET", "/log/stream"),
    }


def test_every_property_is_described(document: Document) -> None:
    undescribed = [
        f"{name}.{each}"
        for name, schema in document["components"]["schemas"].items()
        for each, described in schema.get("properties", {}).items()
        if not described["description"] or "{}" in described["description"]
    ]
    assert undescribed == [], "describe them in stocky/http/descriptions.toml"
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        # In Markdown, an indented line is code.
        assert "\n " not in schema["description"], name


def test_every_value_is_described(document: Document) -> None:
    undescribed = []
    for name, schema in document["components"]["schemas"].items():
        if "enum" in schema:
            assert len(schema["x-enum-descriptions"]) == len(schema["enum"])
            for value, text in zip(schema["enum"], schema["x-enum-descriptions"], strict=True):
                if not text or f"- `{value}`: {text}" not in schema["description"]:
                    undescribed.append(f"{name}.{value}")
        for each, described in schema.get("properties", {}).items():
            undescribed += [
                f"{name}.{each}={value}"
                for value in described.get("enum", [])
                if len(described["enum"]) > 1 and f"`{value}`" not in described["description"]
            ]
    assert undescribed == [], "describe them in stocky/http/descriptions.toml"


def test_every_parameter_and_field_of_a_form_is_described(operations: list[Operation]) -> None:
    for method, path, operation in operations:
        for each in operation.get("parameters", []):
            assert each["description"], (method, path, each["name"])
        form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {})
        for name, field in form.get("properties", {}).items():
            assert field["description"], (method, path, name)


def test_every_description_of_the_table_is_used(document: Document, operations: list[Operation]) -> None:
    schemas = document["components"]["schemas"]
    classes = _classes(document)
    lineage = {name: {each.__name__ for cls in found for each in cls.__mro__} for name, found in classes.items()}
    unused = []
    for name, texts in TABLE["schemas"].items():
        heirs = [schemas[each] for each, ancestors in lineage.items() if name in ancestors or name == each]
        known = {field for each in heirs for field in (*each.get("properties", ()), *each.get("enum", ()))}
        unused += [f"{name}.{each}" for each in texts if each not in known]
    unused += [name for name in TABLE["nouns"] if not any(name in ancestors for ancestors in lineage.values())]
    names = {each for schema in schemas.values() for each in schema.get("properties", {})}
    unused += [name for name in TABLE["properties"] if name not in names]
    sent = {each["name"] for _, _, operation in operations for each in operation.get("parameters", [])}
    unused += [name for name in TABLE["parameters"] if name not in sent]
    assert unused == []


def test_times_have_their_format(document: Document) -> None:
    times = 0
    for name, classes in _classes(document).items():
        properties = document["components"]["schemas"][name].get("properties", {})
        for cls in classes:
            for field, hint in typing.get_type_hints(cls).items() if properties else ():
                if field in properties and datetime in (hint, *typing.get_args(hint)):
                    formats = {each.get("format") for each in _nodes(properties[field])}
                    assert "date-time" in formats, f"{name}.{field}"
                    times += 1
    assert times > 50


def test_no_number_must_be_a_multiple(document: Document) -> None:
    # Checked in binary floating point, 0.3 is no multiple of 0.001.
    assert [node for node in _nodes(document) if "multipleOf" in node] == []


def test_nothing_optional_has_a_default(document: Document) -> None:
    # Generated clients would send it, or take the field as one that must be sent.
    assert [node for node in _nodes(document) if "default" in node and "description" in node] == []
    new_plan = document["components"]["schemas"]["NewPlan"]
    assert "required" not in new_plan
    assert new_plan["properties"]["max_moves"]["description"].endswith("Default: `1000`")


def test_responses_name_all_their_fields_as_required(document: Document) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["Item"]["required"]) == set(schemas["Item"]["properties"])
    assert set(schemas["Sku"]["properties"]) - set(schemas["Sku"]["required"]) == {"item", "location", "price"}
    assert schemas["NewItem"]["required"] == ["name"]
    assert set(schemas["Problem"]["required"]) == {"title", "status", "detail"}


def test_examples_are_on_what_must_be_sent_only(operations: list[Operation]) -> None:
    for method, path, operation in operations:
        for each in operation.get("parameters", []):
            has_example = "example" in each or "examples" in each or "examples" in each["schema"]
            assert has_example == each["required"], (method, path, each["name"])
            assert each["required"] or each["in"] != "path"


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
def test_patterns_are_valid_in_unicode_mode(document: Document) -> None:
    patterns = sorted({node["pattern"] for node in _nodes(document) if isinstance(node.get("pattern"), str)})
    assert len(patterns) > 5
    program = "for (const each of JSON.parse(process.argv[1])) new RegExp(each, 'u')"
    assert NODE is not None
    run = subprocess.run([NODE, "-e", program, json.dumps(patterns)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


def test_files_and_pictures_have_their_types(document: Document) -> None:
    def types(path: str, method: str = "get") -> set[str]:
        return set(document["paths"][f"/api/v1{path}"][method]["responses"]["200"]["content"])

    assert types("/documents/{document_id}/content") == {"application/pdf", "image/png", "image/jpeg", "image/webp"}
    assert types("/items/{item_id}/qr") == types("/locations/{location_id}/qr") == {"image/svg+xml", "image/png"}
    assert "application/zip" in types("/system/backup/{timestamp}/download")
    assert types("/scanner/qr/command", "post") == {"application/json", "image/svg+xml", "image/png"}
    assert types("/exports/items.csv") == {"text/csv"}


def test_statuses_of_reads_and_writes_are_those_returned(document: Document) -> None:
    def statuses(path: str, method: str = "get") -> set[int]:
        responses = document["paths"][f"/api/v1{path}"][method]["responses"]
        return {int(each) for each in responses if int(each) < 400}

    assert statuses("/skus", "post") == {200, 201}
    assert statuses("/items") == statuses("/items/{item_id}") == {200, 304}
    assert statuses("/documents/{document_id}/content") == {200, 206, 304}
    assert statuses("/imports/{job_id}/report.csv") == {200}
    for path, method in (("/projects/{project_id}/withdraw", "post"), ("/reorg/plans", "post")):
        assert document["paths"][f"/api/v1{path}"][method]["requestBody"]["required"] is False
