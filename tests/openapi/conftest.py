"""The document of an application without a database, which it does not need."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar

from stocky.app import create_app
from stocky.config import load
from stocky.http.openapi_document import complete_document

Document = dict[str, Any]
# Method, path and description of a route.
Operation = tuple[str, str, Document]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Litestar:
    """The application without a database."""
    return create_app(load({"STOCKY_DATA_DIR": str(tmp_path_factory.mktemp("data"))}))


@pytest.fixture(scope="module")
def document(described: Litestar) -> Document:
    return complete_document(described)


@pytest.fixture(scope="module")
def operations(document: Document) -> list[Operation]:
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
