"""The examples in `/docs` can be sent unchanged, to a Stocky with demo data, and repeatedly."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.demo_data import fill
from tests.documents.files import picture
from tests.inventory import Json, get

pytestmark = pytest.mark.one_database
JSON = "application/json"
# They end when the client leaves.
ENDLESS = frozenset({"stream_events", "stream_logs", "stream_logs_log"})
# What demo data does not have, because a running Stocky makes it: what reads it, by the operation that makes it.
MADE_FIRST = {
    "upload_document": {"get_document", "get_content", "get_thumbnail"},
    "create_loan": {"get_loan"},
    "start_plan": {"get_plan"},
    "create_webhook": {"get_webhook", "list_webhook_deliveries"},
    "create_notice_channel": {"get_notice_channel"},
    "ping_webhook": {"get_webhook_delivery"},
    "start_import": {"get_import", "stream_import", "download_report", "download_refused"},
    "start_backup": {"get_job", "stream_job", "download_backup"},
}
# What only a model makes, and there is none.
OF_A_MODEL = {"get_suggestion", "get_suggestion_job"}
# Reads that need one of several optional parameters.
ONE_OF_SEVERAL = {"draw_labels": {"commands": "true"}}


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """With a mail server, which the example of a channel of notices needs."""
    return environ | {"STOCKY_SMTP_HOST": "127.0.0.1", "STOCKY_SMTP_PORT": "9", "STOCKY_SMTP_FROM": "a@example.org"}


@pytest.fixture
async def demo(app: Litestar) -> None:
    await fill(
        app.state.database, items=40, events=200, seed=7, introduce=lambda demo: None, progress=lambda recorded: None
    )


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/api/v1/") and operation["operationId"] not in ENDLESS:
                yield method.upper(), path.removeprefix("/api/v1"), operation


def _operation(document: Json, name: str) -> tuple[str, str, Json]:
    return next(each for each in _operations(document) if each[2]["operationId"] == name)


def _address(path: str, operation: Json, **values: Any) -> str:
    """The path with the examples of its parameters, or with these values."""
    for each in operation.get("parameters", []):
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", str(values.get(each["name"], each["example"])))
    return path


async def _read(client: AsyncClient, document: Json, name: str, **values: Any) -> tuple[int, Any]:
    """The status of a read with its examples, or with these values, and its JSON, if any. Checks its content type."""
    method, path, operation = _operation(document, name)
    query = {
        each["name"]: each["example"]
        for each in operation.get("parameters", [])
        if each["in"] == "query" and each["required"]
    } | ONE_OF_SEVERAL.get(name, {})
    answer = await client.request(method, _address(path, operation, **values), params=query)
    kind = answer.headers["content-type"].partition(";")[0]
    response = operation["responses"].get(str(answer.status_code), {})
    if answer.status_code == 200:
        assert kind in {each.partition(";")[0] for each in response["content"]}, (name, kind)
    return answer.status_code, answer.json() if kind == JSON else None


async def _make(client: AsyncClient, document: Json, name: str) -> Any:
    """The JSON of an operation that is sent with its examples; a form has a file."""
    method, path, operation = _operation(document, name)
    content = operation.get("requestBody", {}).get("content", {})
    body: dict[str, Any] = {}
    if name == "upload_document":
        body = {"files": {"file": ("picture.png", picture())}, "data": {"item_id": "1"}}
    elif name == "start_import":
        body = {"files": {"file": ("items.csv", b"name,location,quantity\nTea,Shelf,3\n")}, "data": {"dry_run": "true"}}
    elif content:
        body = {"json": content[JSON]["example"]}
    answer = await client.request(method, _address(path, operation), **body)
    assert answer.status_code < 300, answer.text
    return answer.json()


async def _ended(client: AsyncClient, job_id: int) -> None:
    async with asyncio.timeout(60):
        while (await get(client, f"/jobs/{job_id}"))["status"] not in ("done", "failed"):  # noqa: ASYNC110 - a job is only seen by asking
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("demo")
async def test_every_read_with_its_examples_shows_something(document: Json, admin: AsyncClient) -> None:
    later = set().union(*MADE_FIRST.values())
    names = {operation["operationId"] for method, _, operation in _operations(document) if method == "GET"} - OF_A_MODEL
    missing = set()
    for name in sorted(names):
        status, body = await _read(admin, document, name)
        if status == 404:
            missing.add(name)
        else:
            assert status == 200, name
        assert body or not name.startswith("search"), f"{name} finds nothing"
    # A background task may have been the first job.
    assert missing | {"get_job", "stream_job"} == later
    made = {name: await _make(admin, document, name) for name in MADE_FIRST}
    for name in ("start_import", "start_backup"):
        await _ended(admin, made[name]["job_id"])
    backup = made["start_backup"]["download_url"].split("/")[-2]
    for maker, readers in MADE_FIRST.items():
        values = {"timestamp": backup, **({"job_id": made[maker]["job_id"]} if "job_id" in made[maker] else {})}
        for name in sorted(readers):
            assert (await _read(admin, document, name, **values))[0] == 200, name


@pytest.mark.usefixtures("demo")
async def test_no_example_body_is_rejected_for_its_values(document: Json, admin: AsyncClient) -> None:
    refusals, tried = [], 0
    for method, path, operation in _operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get(JSON)
        if content is not None:
            answer = await admin.request(method, _address(path, operation), json=content["example"])
            tried += 1
            if answer.status_code == 422 or answer.status_code >= 500:
                refusals.append((method, path, answer.text))
    assert refusals == []
    assert tried > 50


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
    _, path, operation = _operation(document, "adjust_quantity")
    example = operation["requestBody"]["content"][JSON]["example"]
    quantities = []
    for _ in range(2):
        answer = await admin.post(_address(path, operation), json=example)
        assert answer.status_code == 200, answer.text
        quantities.append(answer.json()["quantity"])
    assert quantities[1] - quantities[0] == pytest.approx(example["delta"])
