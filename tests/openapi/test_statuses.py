"""Each operation documents 404 exactly where something that it names can be missing."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient, Response

from tests.inventory import Json

pytestmark = pytest.mark.one_database
JSON = "application/json"
MISSING = 987_654
FORM = {"files": {"file": ("a.pdf", b"%PDF-1.7 ")}, "data": {"item_id": str(MISSING)}}
SET_LOCATION = '{"command":"set_location","payload":{"location_id":%d}}'
# Where the example does not name what can be missing.
BODIES: dict[str, Any] = {
    "create_alert": {"json": {"alert_type": "custom", "message": "Look", "sku_id": MISSING}},
    "draw_labels": {"params": {"sheet": "none"}},
    "merge_item": {"json": {"into": MISSING + 1}},
    "scan": {"json": {"upc": SET_LOCATION % MISSING}},
    "upload_document": FORM,
}


def _naming_what_is_missing(value: Any, name: str = "") -> Any:
    """An example with other ids."""
    if isinstance(value, dict):
        return {each: _naming_what_is_missing(inner, each) for each, inner in value.items()}
    if isinstance(value, list):
        return [_naming_what_is_missing(each) for each in value]
    return MISSING if isinstance(value, int) and name.endswith("id") else value


async def _send(client: AsyncClient, method: str, path: str, operation: Json) -> Response:
    """Sends the examples of an operation, with the ids of what there is not."""
    for each in operation.get("parameters", []):
        if each["in"] == "path":
            # What a PUT creates is still missing for DELETE.
            value = MISSING if each["schema"]["type"] == "integer" else "new" if method == "PUT" else "none"
            path = path.replace(f"{{{each['name']}}}", str(value))
    content = operation.get("requestBody", {}).get("content", {})
    example = {"json": _naming_what_is_missing(content[JSON]["example"])} if JSON in content else {}
    return await client.request(method, path, **BODIES.get(operation["operationId"], example))


async def test_404_is_documented_where_there_is_one(document: Json, admin: AsyncClient) -> None:
    documented, returned = set(), set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/api/v1/") and "text/event-stream" not in operation["responses"].get("200", {}).get(
                "content", ()
            ):
                answer = await _send(admin, method.upper(), path.removeprefix("/api/v1"), operation)
                name = operation["operationId"]
                documented |= {name} if "404" in operation["responses"] else set()
                returned |= {name} if answer.status_code == 404 else set()
    assert documented == returned
    assert len(documented) > 60


async def test_a_stream_of_an_unknown_job_is_404(admin: AsyncClient) -> None:
    for path in ("/jobs", "/imports"):
        assert (await admin.get(f"{path}/{MISSING}/events")).status_code == 404
