"""A failing export: the client sees that it is incomplete, and the log has one line without traceback."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from stocky.config import Config
from tests.architecture import schema
from tests.serving import Server

# More than the buffers of both ends of a connection, so that the export has to wait for its reader.
ITEMS, DESCRIPTION = 7_000, 1_000
_ADD_ITEMS = """
WITH RECURSIVE number (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < {items})
INSERT INTO item (code, name, description, default_storage_type, created_at, updated_at)
SELECT substr(CAST(10000 + value AS TEXT), 2), 'Item ' || value, '{description}', 'pantry', '{now}', '{now}' FROM number
"""


def test_failed_export_is_cut_off_without_traceback(
    serve: Callable[..., AbstractContextManager[Server]], config: Config, keys: dict[str, str]
) -> None:
    now = "2026-01-01T00:00:00.000000Z"
    schema.run(config, _ADD_ITEMS.format(items=ITEMS, description="d" * DESCRIPTION, now=now))
    headers = {"X-API-Key": keys["reader"]}
    with serve() as server:
        with socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=60) as export:
            export.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            export.sendall(
                b"GET /api/v1/exports/items.csv HTTP/1.1\r\nHost: stocky.test\r\n"
                b"X-API-Key: " + headers["X-API-Key"].encode() + b"\r\n\r\n"
            )
            received = export.recv(4096)
            assert received.startswith(b"HTTP/1.1 200")
            _kill_child(server.process.pid)
            with suppress(ConnectionResetError):
                while piece := export.recv(65_536):
                    received = piece
        assert not received.endswith(b"0\r\n\r\n"), "the client takes the export for whole"
        # The server still responds.
        httpx.get(f"{server.api}/items/", headers=headers, timeout=60).raise_for_status()
    assert "response aborted" in server.log
    assert "Traceback" not in server.log


def _kill_child(pid: int) -> None:
    """Kills the process that reads the export, as on a lack of memory."""
    for _ in range(2_000):
        if children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            for child in children:
                os.kill(int(child), signal.SIGKILL)
            return
        time.sleep(0.01)
    raise AssertionError("the export has no process of its own")
