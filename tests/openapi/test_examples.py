"""The examples in `/docs` can be sent unchanged, to a Stocky with demo data, and repeatedly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.demo_data import fill
from stocky.http.openapi import complete_document
from tests.inventory import Json

pytestmark = pytest.mark.one_database
JSON = "application/json"


@pytest.fixture
def document(app: Litestar) -> Json:
    return complete_document(app)


@pytest.fixture
async def demo(app: Litestar) -> None:
    await fill(
        app.state.database, items=40, events=200, seed=7, introduce=lambda demo: None, progress=lambda recorded: None
    )


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/api/v1/") and not path.endswith("/stream"):
                yield method.upper(), path.removeprefix("/api/v1"), operation


def _address(path: str) -> str:
    return re.sub(r"{\w+}", "1", path)


@pytest.mark.usefixtures("demo")
async def test_no_example_body_is_rejected_for_its_values(document: Json, admin: AsyncClient) -> None:
    refusals, tried = [], 0
    for method, path, operation in _operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get(JSON)
        if content is not None:
            answer = await admin.request(method, _address(path), json=content["example"])
            tried += 1
            if answer.status_code == 422 or answer.status_code >= 500:
                refusals.append((method, path, answer.text))
    assert refusals == []
    assert tried > 50


@pytest.mark.usefixtures("demo")
async def test_no_example_query_is_rejected_for_its_values(document: Json, admin: AsyncClient) -> None:
    refusals = []
    for method, path, operation in _operations(document):
        if method != "GET" or path.startswith("/jobs/"):
            continue
        query = {
            each["name"]: each["example"]
            for each in operation.get("parameters", [])
            if each["in"] == "query" and each.get("example") is not None
        }
        answer = await admin.get(_address(path), params=query)
        if answer.status_code == 422 or answer.status_code >= 500:
            refusals.append((path, query, answer.text[:200]))
    assert refusals == []


def test_no_example_body_has_an_event_id(document: Json) -> None:
    def names(value: Any) -> Iterator[str]:
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from names(each)
        if isinstance(value, dict):
            yield from value

    examples = [
        content["example"]
        for _, _, operation in _operations(document)
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    assert "delta" in names(examples)
    assert "event_id" not in names(examples)


@pytest.mark.usefixtures("demo")
async def test_example_that_books_stock_can_be_repeated(document: Json, admin: AsyncClient) -> None:
    path = "/skus/{sku_id}/adjust"
    example = document["paths"][f"/api/v1{path}"]["post"]["requestBody"]["content"][JSON]["example"]
    quantities = []
    for _ in range(2):
        answer = await admin.post(_address(path), json=example)
        assert answer.status_code == 200, answer.text
        quantities.append(answer.json()["quantity"])
    assert quantities[1] - quantities[0] == pytest.approx(example["delta"])
