"""A real `stocky serve`: it starts fast, stops cleanly under load, and reports failures in one line."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing

import httpx
import pytest

from tests.cli.running import environment, stocky
from tests.serving import Server, serve

Serve = Callable[..., AbstractContextManager[Server]]


def test_start_migrates_empty_database_and_suggests_create_admin(
    empty_environ: dict[str, str], tmp_path: pytest.TempPathFactory
) -> None:
    with serve(empty_environ, tmp_path) as server:  # type: ignore[arg-type]
        answer = httpx.get(f"{server.url}/health/ready")
        assert "server" not in answer.headers
        assert server.stop() == 0
    assert f"Stocky is ready on {server.url}" in server.log
    assert "stocky create-admin" in server.log
    assert "Stocky has stopped" in server.log
    assert "Traceback" not in server.log


def test_start_without_migration_rejects_empty_database(empty_environ: dict[str, str]) -> None:
    answer = stocky(empty_environ | {"STOCKY_MIGRATE_ON_START": "false"}, "serve", "--port", "0")
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert "stocky migrate" in answer.stderr


def test_database_of_newer_version_is_rejected_in_one_line(environ: dict[str, str]) -> None:
    url = environ["STOCKY_DATABASE_URL"]
    statement = (
        "INSERT INTO _yoyo_migration (migration_hash, migration_id, applied_at_utc)"
        " VALUES ('x', '9999.future', '2026-01-01 00:00:00')"
    )
    if url.startswith("sqlite"):
        import sqlite3

        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute(statement)
    else:
        import psycopg

        with psycopg.connect(url) as other:
            other.execute(statement)
    answer = stocky(environ, "serve", "--port", "0")
    assert answer.returncode == 1
    assert answer.stderr == "stocky: The database was migrated by a newer Stocky (9999.future); install that version\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_under_load_keeps_all_acknowledged_events(
    number: signal.Signals, serve: Serve, keys: dict[str, str], environ: dict[str, str]
) -> None:
    with serve() as server:
        headers = {"X-API-Key": keys["admin"]}
        with httpx.Client(base_url=server.api, headers=headers) as client:
            assert client.post("/locations", json={"name": "Pantry", "storage_type": "pantry"}).status_code == 201
            item = client.post("/items", json={"name": "Coffee"}).json()["id"]
        event = {"type": "add", "item": {"id": item}, "location": {"name": "Pantry"}, "quantity": 1}
        acknowledged, wrong = [0] * 8, []

        def post(worker: int) -> None:
            with httpx.Client(base_url=server.api, headers=headers) as client:
                while True:
                    try:
                        answer = client.post("/events", json={"events": [event] * 5})
                    except httpx.TransportError:
                        return
                    if answer.status_code == 200:
                        acknowledged[worker] += answer.json()["applied"]
                    elif answer.status_code != 503:
                        wrong.append(answer.text)

        workers = [threading.Thread(target=post, args=(worker,)) for worker in range(8)]
        for worker in workers:
            worker.start()
        time.sleep(0.7)
        began = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(12) == 0
        assert time.monotonic() - began < 10
        for worker in workers:
            worker.join()
        assert wrong == []
        assert "Traceback" not in server.log
        with serve() as again:
            total = httpx.get(f"{again.api}/items/{item}", headers=headers).json()["total_quantity"]
    assert total == sum(acknowledged) > 0
    assert stocky(environ, "check").returncode == 0


@pytest.mark.parametrize(("host", "origin"), [("::1", "http://[::1]:"), ("", "http://127.0.0.1:")])
def test_port_0_uses_and_logs_a_free_port(environ: dict[str, str], host: str, origin: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "stocky", "serve", "--port", "0", "--host", host],
        env=environment(environ),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    ready = next(line for line in process.stderr if "ready" in line)
    url = ready.strip().rpartition(" ")[2]
    assert url.startswith(origin)
    assert httpx.get(f"{url}/health/live").status_code == 200
    process.terminate()
    process.stderr.read()
    process.stderr.close()
    assert process.wait(12) == 0
