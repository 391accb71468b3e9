"""Datasheets that a person accepts: fetched by the server from allowed addresses only, checked, and stored once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.webhooks import http_client
from tests.assistance.model import Answer, Model, asked, is_translated, raw, suggestions, suggests, until_so, values
from tests.documents.files import pdf, picture
from tests.inventory import Json, get, made, new_item, refused

PDF = "Content-Type: application/pdf"


class Site:
    """A web server with answers by path."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The client may have disconnected, and the test may have ended.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(head)
            await self.answers.get(head.split()[1], raw(b"nothing here", 404))(writer)
            await writer.drain()
        writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A site with datasheets on this machine."""
    site = Site()
    server = await asyncio.start_server(site.serve, "127.0.0.1")
    site.port = server.sockets[0].getsockname()[1]
    yield site
    server.close()


async def _suggested(member: AsyncClient, model: Model, url: str, **item: Any) -> tuple[Json, Json]:
    """An item and a suggestion of a datasheet at this URL."""
    made_item = await new_item(member, **item)
    model.usual = suggests(datasheets=[url])
    await asked(member, made_item)
    [suggestion] = await suggestions(member, made_item)
    assert suggestion["kind"] == "datasheet"
    return made_item, suggestion


async def _settled(client: AsyncClient, suggestion: Json) -> Json:
    """The suggestion after the job that fetches it has ended."""

    async def settled() -> Json | None:
        found: Json = await get(client, f"/suggestions/{suggestion['id']}")
        return None if found["is_fetching"] else found

    found: Json = await until_so(settled)
    return found


async def _fetched(member: AsyncClient, suggestion: Json) -> Json:
    """Accepts a datasheet; the suggestion after the job has ended."""
    made(await member.post(f"/suggestions/{suggestion['id']}/accept"))
    return await _settled(member, suggestion)


async def test_datasheet_is_stored_as_a_document(
    member: AsyncClient, admin: AsyncClient, model: Model, site: Site
) -> None:
    content = pdf(2_000_000)
    site.answers["/lm317.pdf"] = raw(content, 200, PDF)
    item, suggestion = await _suggested(member, model, f"{site.url}/lm317.pdf", manufacturer_code="LM317T")
    assert site.requests == []
    accepted = await _fetched(member, suggestion)
    assert (accepted["status"], accepted["error"]) == ("accepted", None)
    [document] = await get(member, f"/items/{item['id']}/documents")
    assert (document["kind"], document["name"], document["size_bytes"]) == ("pdf", "LM317T datasheet", len(content))
    assert (await member.get(f"/documents/{document['id']}/content")).content == content
    [request] = site.requests
    assert f"host: 127.0.0.1:{site.port}\r\n" in request.lower()
    assert "authorization" not in request.lower()
    assert "cookie" not in request.lower()
    created = await get(admin, "/audit", subject="document")
    assert created[0]["user_id"] == (await get(member, "/auth/me"))["id"]
    refused(await member.post(f"/suggestions/{suggestion['id']}/accept"), 409, "accepted before")


async def test_content_that_the_item_has_is_not_added_again(member: AsyncClient, model: Model, site: Site) -> None:
    content = pdf(10)
    site.answers["/a.pdf"] = site.answers["/b.pdf"] = raw(content, 200, "Content-Type: application/octet-stream")
    item, suggestion = await _suggested(member, model, f"{site.url}/a.pdf")
    assert (await _fetched(member, suggestion))["status"] == "accepted"
    model.usual = suggests(datasheets=[f"{site.url}/a.pdf", f"{site.url}/b.pdf"])
    await asked(member, item)
    [other] = [each for each in await suggestions(member, item) if each["status"] == "open"]
    assert (await _fetched(member, other))["status"] == "accepted"
    assert len(await get(member, f"/items/{item['id']}/documents")) == 1


async def test_content_of_an_item_that_is_no_longer_in_use(member: AsyncClient, model: Model, site: Site) -> None:
    content, begun, go_on = pdf(10), asyncio.Event(), asyncio.Event()

    async def slowly(writer: asyncio.StreamWriter) -> None:
        begun.set()
        await go_on.wait()
        await raw(content, 200, PDF)(writer)

    site.answers["/a.pdf"] = raw(content, 200, PDF)
    site.answers["/b.pdf"] = slowly
    item, suggestion = await _suggested(member, model, f"{site.url}/a.pdf")
    assert (await _fetched(member, suggestion))["status"] == "accepted"
    model.usual = suggests(datasheets=[f"{site.url}/b.pdf"])
    await asked(member, item)
    [other] = [each for each in await suggestions(member, item) if each["status"] == "open"]
    made(await member.post(f"/suggestions/{other['id']}/accept"))
    await begun.wait()
    made(await member.delete(f"/items/{item['id']}"))
    go_on.set()
    found = await _settled(member, other)
    assert found["status"] == "open"
    assert "is no longer in use" in found["error"]
    assert is_translated(found["error"])


async def test_redirects_are_followed(member: AsyncClient, model: Model, site: Site) -> None:
    site.answers["/old.pdf"] = raw(b"", 301, "Location: new.pdf")
    site.answers["/new.pdf"] = raw(pdf(), 200, PDF)
    _, suggestion = await _suggested(member, model, f"{site.url}/old.pdf")
    assert (await _fetched(member, suggestion))["status"] == "accepted"
    assert [each.split()[1] for each in site.requests] == ["/old.pdf", "/new.pdf"]


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\n{PDF}\r\n\r\n".encode() + pdf()[:100])
    while True:
        writer.write(bytes(2**16))
        await writer.drain()


async def _broken(writer: asyncio.StreamWriter) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\n{PDF}\r\nContent-Length: 9999\r\n\r\n".encode() + pdf()[:100])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (raw(b"<html>Buy it</html>", 200, "Content-Type: text/html"), "it is text/html and not a PDF"),
        (raw(b"<html>Buy it</html>", 200, PDF), "its content is not a PDF"),
        (raw(picture(), 200, PDF), "its content is not a PDF"),
        (raw(picture(), 200, "Content-Type: image/png"), "it is image/png and not a PDF"),
        (raw(b"", 200, PDF), "its content is not a PDF"),
        (raw(b"%PDF", 200, PDF), "its content is not a PDF"),
        (raw(b"%PDF-1.7 nothing else", 200, PDF), "PDF"),
        (raw(pdf(), 200, PDF, "Content-Encoding: gzip"), "not a PDF"),
        (raw(b"gone", 404), "answered 404"),
        (raw(b"", 302, "Location: file:///etc/passwd"), "something other than http"),
        (raw(b"", 302, "Location: http://169.254.169.254/latest/meta-data/"), "never fetched"),
        (raw(b"", 302, "Location: http://user:pw@127.0.0.1/"), "something other than http"),
        (raw(b"", 302, "Location: /sheet.pdf"), "redirects more than"),
        (_broken, "cannot be reached"),
    ],
)
async def test_anything_else_is_not_stored(
    member: AsyncClient, model: Model, site: Site, answer: Answer, words: str
) -> None:
    site.answers["/sheet.pdf"] = answer
    item, suggestion = await _suggested(member, model, f"{site.url}/sheet.pdf")
    found = await _fetched(member, suggestion)
    assert found["status"] == "open"
    assert words in found["error"], found["error"]
    assert is_translated(found["error"])
    assert await get(member, f"/items/{item['id']}/documents") == []
    # It may be tried again.
    site.answers["/sheet.pdf"] = raw(pdf(), 200, PDF)
    assert (await _fetched(member, suggestion))["status"] == "accepted"


async def _has_failed(app: Litestar, admin: AsyncClient) -> bool:
    """Whether the last fetch counts as a failure of Stocky, which raises a notice, and not as a refusal."""
    job = (await get(admin, "/jobs", kind="assistance.fetch"))[0]
    assert job["status"] == "failed"
    async with app.state.database.read() as read:
        causes = await read.rows("list_failed_jobs", without="backup.scheduled")
    assert len(causes) == (job["error_status"] >= 500)
    return bool(causes)


@pytest.mark.parametrize(
    ("answer", "words", "is_failure"),
    [
        (raw(b"gone", 404), "its server answered 404; reject the suggestion", False),
        (raw(b"gone", 410), "its server answered 410; reject the suggestion", False),
        (raw(b"no", 403), "its server answered 403; reject the suggestion", False),
        (raw(b"", 204), "its server answered 204; reject the suggestion", False),
        (raw(b"", 301), "its server answered 301; reject the suggestion", False),
        (raw(b"slow", 408), "its server answered 408; try again later", True),
        (raw(b"early", 425), "its server answered 425; try again later", True),
        (raw(b"busy", 429), "its server answered 429; try again later", True),
        (raw(b"broken", 500), "its server answered 500; try again later", True),
        (raw(b"", 302, "Location: http://127.0.0.1:99999/"), "something other than http", False),
        (raw(b"", 302, "Location: http://a..b/"), "its server does not exist; reject the suggestion", False),
    ],
)
async def test_dead_link_is_no_failure_of_stocky(
    app: Litestar,
    member: AsyncClient,
    admin: AsyncClient,
    model: Model,
    site: Site,
    answer: Answer,
    words: str,
    is_failure: bool,
) -> None:
    site.answers["/sheet.pdf"] = answer
    _, suggestion = await _suggested(member, model, f"{site.url}/sheet.pdf")
    found = await _fetched(member, suggestion)
    assert words in found["error"], found["error"]
    assert is_translated(found["error"])
    assert await _has_failed(app, admin) is is_failure


@pytest.mark.parametrize(
    ("code", "words", "is_failure"),
    [
        (socket.EAI_NONAME, "its server does not exist; reject the suggestion", False),
        (socket.EAI_AGAIN, "the name of its server cannot be resolved; try again later", True),
        (socket.EAI_FAIL, "the name of its server cannot be resolved; try again later", True),
    ],
)
async def test_name_that_does_not_exist_is_no_failure_of_stocky(
    app: Litestar,
    member: AsyncClient,
    admin: AsyncClient,
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    words: str,
    is_failure: bool,
) -> None:
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host == "sheets.example.org":
            raise socket.gaierror(code, "no address")
        return real(host, port, *rest, **more)

    monkeypatch.setattr(http_client.socket, "getaddrinfo", look_up)
    _, suggestion = await _suggested(member, model, "https://sheets.example.org/sheet.pdf")
    found = await _fetched(member, suggestion)
    assert words in found["error"]
    assert is_translated(found["error"])
    assert await _has_failed(app, admin) is is_failure


async def test_too_large_datasheet_is_not_stored(
    member: AsyncClient, model: Model, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.assistance.datasheets.MAX_BYTES", 2**20)
    site.answers["/sheet.pdf"] = _endless
    _, suggestion = await _suggested(member, model, f"{site.url}/sheet.pdf")
    found = await _fetched(member, suggestion)
    assert "larger than 1 MiB" in found["error"]
    assert is_translated(found["error"])


async def test_slow_datasheet_is_given_up(
    member: AsyncClient, model: Model, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.assistance.datasheets.SECONDS", 0.5)
    end = asyncio.Event()

    async def hang(writer: asyncio.StreamWriter) -> None:
        await end.wait()

    site.answers["/sheet.pdf"] = hang
    _, suggestion = await _suggested(member, model, f"{site.url}/sheet.pdf")
    found = await _fetched(member, suggestion)
    end.set()
    assert "not complete within 0.5 seconds" in found["error"]
    assert is_translated(found["error"])


async def test_unreadable_certificates_are_named(
    member: AsyncClient, admin: AsyncClient, model: Model, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answers["/sheet.pdf"] = raw(pdf(), 200, PDF)
    _, suggestion = await _suggested(member, model, f"{site.url}/sheet.pdf")
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    found = await _fetched(member, suggestion)
    assert "FileNotFoundError; check SSL_CERT_FILE" in found["error"]
    assert is_translated(found["error"])
    assert [each["error_status"] for each in await get(admin, "/jobs", kind="assistance.fetch")] == [503]
    monkeypatch.delenv("SSL_CERT_FILE")
    assert (await _fetched(member, suggestion))["status"] == "accepted"


@pytest.mark.parametrize("settings", [{"STOCKY_WEBHOOKS_TO_PRIVATE": "false"}])
class TestPublicOnly:
    """Where private addresses are not allowed."""

    async def test_private_address_is_no_suggestion(self, member: AsyncClient, model: Model) -> None:
        item = await new_item(member)
        model.usual = suggests(datasheets=["http://127.0.0.1/a.pdf", "https://example.org/a.pdf"])
        await asked(member, item)
        assert await values(member, item) == [("datasheet", "https://example.org/a.pdf")]

    async def test_private_address_is_not_contacted(
        self, app: Litestar, member: AsyncClient, model: Model, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # It was suggested while the setting was another.
        monkeypatch.setattr(app.state.assistance, "_to_private", True)
        _, suggestion = await _suggested(member, model, f"{site.url}/sheet.pdf")
        found = await _fetched(member, suggestion)
        assert "private address" in found["error"]
        assert "STOCKY_WEBHOOKS_TO_PRIVATE" in found["error"]
        assert is_translated(found["error"])
        assert site.requests == []

    async def test_name_with_a_private_address_is_not_contacted(
        self, member: AsyncClient, model: Model, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = socket.getaddrinfo

        def look_up(host: str, port: int, *rest: Any, **more: Any) -> Any:
            if host == "sheets.example.org":
                return [(0, 0, 0, "", ("127.0.0.1", port))]
            return real(host, port, *rest, **more)

        monkeypatch.setattr(http_client.socket, "getaddrinfo", look_up)
        _, suggestion = await _suggested(member, model, f"http://sheets.example.org:{site.port}/sheet.pdf")
        found = await _fetched(member, suggestion)
        assert "has the private address 127.0.0.1" in found["error"]
        assert is_translated(found["error"])
        assert site.requests == []


async def test_rejected_while_it_is_fetched(app: Litestar, member: AsyncClient, model: Model, site: Site) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(writer: asyncio.StreamWriter) -> None:
        begun.set()
        await go_on.wait()
        await raw(pdf(), 200, PDF)(writer)

    site.answers["/sheet.pdf"] = slowly
    item, suggestion = await _suggested(member, model, f"{site.url}/sheet.pdf")
    first = made(await member.post(f"/suggestions/{suggestion['id']}/accept"))
    assert (first["status"], first["is_fetching"]) == ("open", True)
    await begun.wait()
    # Accepted again it is fetched once.
    assert made(await member.post(f"/suggestions/{suggestion['id']}/accept"))["is_fetching"]
    made(await member.post(f"/suggestions/{suggestion['id']}/reject"))
    go_on.set()
    assert (await _settled(member, suggestion))["status"] == "rejected"
    assert await get(member, f"/items/{item['id']}/documents") == []
    assert len(site.requests) == 1


async def test_accepted_by_several_at_once_it_is_fetched_once(
    admin: AsyncClient, member: AsyncClient, model: Model, site: Site
) -> None:
    go_on = asyncio.Event()

    async def slowly(writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        await raw(pdf(), 200, PDF)(writer)

    site.answers["/sheet.pdf"] = slowly
    _, suggestion = await _suggested(member, model, f"{site.url}/sheet.pdf")
    accepting = [each.post(f"/suggestions/{suggestion['id']}/accept") for each in (admin, member) * 3]
    assert all(made(answer)["is_fetching"] for answer in await asyncio.gather(*accepting))
    go_on.set()
    found = await _settled(member, suggestion)
    assert (found["status"], found["error"]) == ("accepted", None)
    assert [each["kind"] for each in await get(admin, "/jobs")].count("assistance.fetch") == 1


async def test_person_who_may_no_longer_add_documents(
    admin: AsyncClient, signed_in_admin: AsyncClient, member: AsyncClient, model: Model, site: Site
) -> None:
    site.answers["/sheet.pdf"] = raw(pdf(), 200, PDF)
    item, suggestion = await _suggested(admin, model, f"{site.url}/sheet.pdf")
    me = await get(member, "/auth/me")
    made(await member.post(f"/suggestions/{suggestion['id']}/accept"))
    made(await signed_in_admin.put(f"/users/{me['id']}", json={"role": "read_only"}))
    found = await _settled(admin, suggestion)
    # The job may have been faster.
    stored = await get(admin, f"/items/{item['id']}/documents")
    assert (found["status"], len(stored)) in (("accepted", 1), ("open", 0))
