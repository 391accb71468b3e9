"""A failed start reports the reason and leaves nothing that keeps the process alive."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import aiosqlite
import pytest

from stocky.app import attach
from stocky.config import Config
from stocky.errors import Unavailable
from stocky.http.server import Server
from stocky.services import Services
from tests.conftest import _make_routes_once


def threads_of_sqlite() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if "connection_worker" in each.name or "sqlite" in each.name}


@pytest.mark.one_database
async def test_failed_connection_closes_earlier_ones(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[aiosqlite.Connection] = []
    connect = aiosqlite.connect

    def run_out(*arguments: Any, **more: Any) -> aiosqlite.Connection:
        if opened:
            raise Unavailable("There is no file descriptor left")
        opened.append(connect(*arguments, **more))
        return opened[0]

    monkeypatch.setattr(aiosqlite, "connect", run_out)
    before = threads_of_sqlite()
    with pytest.raises(Unavailable, match="descriptor"):
        async with Services(config).running():
            pytest.fail("It runs")
    assert opened
    for thread in threads_of_sqlite() - before:
        # A thread reports its closed connection just before it ends.
        await asyncio.to_thread(thread.join, 30)
    assert threads_of_sqlite() == before


@pytest.mark.one_database
async def test_server_raises_the_reason_of_a_refused_start(
    config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    services = Services(config)

    async def refuse() -> None:
        raise Unavailable("Another Stocky is restoring a backup")

    async def announce() -> None:
        pytest.fail("It is ready")

    monkeypatch.setattr(services.database, "open", refuse)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = attach(_make_routes_once(config.allowed_origins), services)
        server = Server(app, config, listener, announce)
        with pytest.raises(Unavailable, match="restoring"):
            await server.serve([listener])
    # The command prints the reason, in one line.
    assert "Traceback" not in caplog.text


@pytest.mark.one_server
async def test_failed_service_stops_earlier_ones(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    services = Services(config)

    def fail() -> None:
        raise RuntimeError("no webhooks today")

    monkeypatch.setattr(services.webhooks, "start", fail)
    tasks, threads = asyncio.all_tasks(), threads_of_sqlite()
    with pytest.raises(RuntimeError, match="today"):
        async with services.running():
            pytest.fail("It runs")
    assert asyncio.all_tasks() == tasks
    assert threads_of_sqlite() == threads
