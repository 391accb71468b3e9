"""A model that fails: nothing is stored, the job says why in one line, and nothing is sent more often than needed."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.app import attach, make_routes
from stocky.assistance import service
from stocky.config import Config, load
from stocky.services import Services
from tests.assistance.model import (
    KEY,
    MODEL,
    Answer,
    Model,
    asked,
    completion,
    error,
    is_translated,
    raw,
    serving,
    suggestions,
    suggests,
    values,
)
from tests.conftest import started
from tests.inventory import get, new_item, refused


async def _endless(writer: asyncio.StreamWriter) -> None:
    """Bytes without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")
    while True:
        writer.write(b" " * 2**16)
        await writer.drain()


async def _broken(writer: asyncio.StreamWriter) -> None:
    """A connection that ends within an answer."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"choices": [')


def _bomb() -> Answer:
    return raw(gzip.compress(b" " * 10_000_000), 200, "Content-Encoding: gzip", "Content-Type: application/json")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (completion("I cannot help with that."), "not the JSON that was asked for"),
        (completion(json.dumps({"tags": ["x"] * 1_000})), "not the JSON that was asked for"),
        (completion(""), "sent no answer of the protocol"),
        (completion(None), "sent no answer of the protocol"),
        (completion(["a list"]), "sent no answer of the protocol"),
        (raw(b"<html>Welcome</html>", 200, "Content-Type: text/html"), "sent no answer of the protocol"),
        (raw(b"{}", 200, "Content-Type: application/json"), "sent no answer of the protocol"),
        (raw(b'{"choices": []}', 200, "Content-Type: application/json"), "sent no answer of the protocol"),
        (raw(b"[1, 2", 200, "Content-Type: application/json"), "sent no answer of the protocol"),
        (raw(b" " * 10_000_000, 200, "Content-Type: application/json"), "sent more than an answer can need"),
        (raw(b"x" * 10_000_000, 500), "sent more than an answer can need"),
        (_endless, "sent more than an answer can need"),
        (_bomb(), "sent more than an answer can need"),
        (_broken, "cannot be reached"),
        (error(401, f"Incorrect API key provided: {KEY}"), "refuses the key"),
        (error(403), "refuses the key"),
        (error(404, "model not found"), "does not know the model"),
        (error(429, "quota"), "accepts no more requests now"),
        (error(429, "quota", "Retry-After: 3600"), "wait 3600 seconds"),
        (error(429, "quota", "Retry-After: 9e99"), "wait 86400 seconds"),
        (error(500, "out of memory"), "answered 500"),
        (raw(b"", 302, "Location: http://127.0.0.1:9/v1/chat/completions"), "redirects are not followed"),
        (raw(b"", 307, "Location: http://127.0.0.1:9/v1/chat/completions"), "redirects are not followed"),
    ],
)
async def test_failure_stores_nothing(member: AsyncClient, model: Model, answer: Answer, words: str) -> None:
    item = await new_item(member)
    model.usual = answer
    job = await asked(member, item)
    assert job["status"] == "failed"
    assert words in job["error"], job["error"]
    assert KEY not in json.dumps(job)
    assert "\n" not in job["error"]
    assert len(job["error"]) < 600
    assert is_translated(job["error"])
    assert await suggestions(member, item) == []
    assert len(model.asked) == 1
    assert (await get(member, "/assistance"))["requests"] == 1
    # A later question works.
    model.usual = suggests(tags=["npn"])
    assert (await asked(member, item))["status"] == "done"


async def test_short_pause_is_made_once(member: AsyncClient, model: Model) -> None:
    item = await new_item(member)
    model.answers = [error(429, "slow down", "Retry-After: 0"), suggests(tags=["npn"])]
    assert (await asked(member, item))["status"] == "done"
    assert len(model.asked) == 2
    model.usual = error(429, "slow down", "Retry-After: 0.2")
    assert "slow down" in (await asked(member, item))["error"]
    assert len(model.asked) == 4
    assert (await get(member, "/assistance"))["requests"] == 4


async def test_server_without_structured_output_is_asked_without(member: AsyncClient, model: Model) -> None:
    item, other = await new_item(member), await new_item(member, "Other")
    model.answers = [error(400, "response_format is not supported"), suggests(tags=["npn"])]
    await asked(member, item)
    assert ["response_format" in each.body for each in model.asked] == [True, False]
    assert await values(member, item) == [("tag", "npn")]
    await asked(member, other)
    assert "response_format" not in model.asked[2].body
    model.usual = error(400, "something else")
    assert "something else" in (await asked(member, other))["error"]


@pytest.mark.parametrize("settings", [{"STOCKY_AI_TIMEOUT": "1"}])
async def test_hanging_server(member: AsyncClient, model: Model) -> None:
    end = asyncio.Event()

    async def hang(writer: asyncio.StreamWriter) -> None:
        await end.wait()

    model.usual = hang
    job = await asked(member, await new_item(member))
    end.set()
    assert "did not answer within 1 seconds" in job["error"]
    assert is_translated(job["error"])


@pytest.mark.parametrize("settings", [{"STOCKY_AI_TIMEOUT": "1"}])
async def test_server_that_drips(member: AsyncClient, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stocky.assistance.model_client.START_SECONDS", 3.0)

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)

    model.usual = drip
    assert "did not answer within 1 seconds" in (await asked(member, await new_item(member)))["error"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("settings", [{"STOCKY_AI_BASE_URL": f"http://127.0.0.1:{_free_port()}/v1"}])
async def test_server_that_is_down(member: AsyncClient) -> None:
    error = (await asked(member, await new_item(member)))["error"]
    assert "cannot be reached" in error
    assert "STOCKY_AI_BASE_URL" in error
    assert is_translated(error)


async def test_unreadable_certificates_are_named(
    member: AsyncClient, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    error = (await asked(member, await new_item(member)))["error"]
    assert "was not asked: the trusted certificates cannot be read" in error
    assert "check SSL_CERT_FILE" in error
    assert is_translated(error)
    assert model.asked == []


class TestOff:
    """Without a key."""

    @pytest.fixture
    async def other(self) -> AsyncIterator[Model]:
        async with serving() as model:
            yield model

    @pytest.fixture
    def config(self, environ: dict[str, str], other: Model) -> Config:
        return load(environ | {"STOCKY_AI_BASE_URL": f"{other.url}/v1", "STOCKY_AI_MODEL": MODEL})

    async def test_nothing_is_sent_without_a_key(self, member: AsyncClient, other: Model) -> None:
        item = await new_item(member)
        refused(await member.post(f"/items/{item['id']}/suggestions"), 409, "STOCKY_AI_API_KEY")
        state = await get(member, "/assistance")
        assert (state["is_on"], state["model"], state["reason"]) == (False, None, service.OFF)
        assert await suggestions(member, item) == []
        assert other.asked == []


async def test_absent_package_is_one_clear_line(
    app: Litestar, member: AsyncClient, model: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "find_spec", lambda name: None)
    config = app.state.config
    async with started(attach(make_routes(), Services(config))) as other:
        assert other.state.assistance.off_reason == service.NEEDS_OPENAI
    assert [each for each in caplog.messages if "openai" in each] == [service.NEEDS_OPENAI]
    assert "pip install --upgrade openai" in service.NEEDS_OPENAI
    monkeypatch.setattr(app.state.assistance, "_is_installed", False)
    item = await new_item(member)
    refused(await member.post(f"/items/{item['id']}/suggestions"), 409, "pip install --upgrade openai")
    assert (await get(member, "/assistance"))["reason"] == service.NEEDS_OPENAI
    assert model.asked == []
