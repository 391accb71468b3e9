"""HEAD on a real connection: the length of a file without the file, and streams that end."""

from __future__ import annotations

import pytest

from tests.connections.conftest import Listening, until

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize("path", ["/events/stream", "/logs/stream", "/exports/stock.csv"])
async def test_head_of_stream_ends_immediately(listening: Listening, keys: dict[str, str], path: str) -> None:
    request = f"HEAD /api/v1{path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {keys['admin']}\r\n\r\n"
    close = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = await listening.ask((request + request + close).encode())
    first, second, live = answers.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert b"content-type: text/" in first
    assert first.endswith(b"\r\n\r\n")
    assert second.count(b"\r\n\r\n") == 1
    assert live.endswith(b"}")
    await until(lambda: not listening.server.server_state.tasks)
    assert listening.app.state.streams.count == 0


async def test_head_of_file_has_its_length(listening: Listening) -> None:
    request = b" /docs/assets/swagger-ui.css HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    head, _, body = (await listening.ask(b"GET" + request)).partition(b"\r\n\r\n")
    length = b"content-length: %d" % len(body)
    assert length in head
    answer = await listening.ask(b"HEAD" + request)
    assert length in answer
    assert answer.endswith(b"\r\n\r\n")
