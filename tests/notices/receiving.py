"""A mail server and an HTTP receiver on this machine, which record what arrives and answer as a test says."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from httpx import AsyncClient

from tests.inventory import Json, made

SECONDS = 60


def listening_socket() -> socket.socket:
    """A socket on a free port of this machine, which nobody else can take."""
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    return found


class MailServer:
    """A real SMTP server. `answers` are those to the next messages; `refused` are recipients that it does not take."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.senders: list[str] = []
        self.answers: list[str] = []
        self.refused: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - named by aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        answer = self.answers.pop(0) if self.answers else "250 accepted"
        if answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            message = message_from_bytes(content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
            self.senders.append(str(envelope.mail_from))
        return answer

    @property
    def texts(self) -> list[str]:
        """The subject and the body of each message."""
        return [f"{each['Subject']}\n{each.get_content()}".replace("\r\n", "\n").strip() for each in self.messages]

    async def until(self, count: int) -> list[str]:
        """The texts, once there are as many."""
        async with asyncio.timeout(SECONDS):
            while len(self.messages) < count:  # noqa: ASYNC110 - what the server's tasks do tells no event
                await asyncio.sleep(0.02)
        return self.texts


@asynccontextmanager
async def mail_server(
    at: socket.socket,
    *,
    server: MailServer | None = None,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    password: str = "",
) -> AsyncIterator[MailServer]:
    """Serves SMTP at a socket for the block; with `password` only to the user `stocky`."""
    handler = server or MailServer()

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        is_right = isinstance(data, LoginPassword) and data == LoginPassword(b"stocky", password.encode())
        return AuthResult(success=is_right, handled=is_right)

    connections: list[SMTP] = []

    def protocol() -> SMTP:
        connection = SMTP(
            handler,
            hostname="mail.test",
            enable_SMTPUTF8=True,
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=authenticate if password else None,
            # Of TLS from the first byte aiosmtpd does not know, and would warn.
            auth_required=bool(password) and tls is None,
            auth_require_tls=tls is None,
        )
        connections.append(connection)
        return connection

    serving = await asyncio.get_running_loop().create_server(protocol, sock=at, ssl=tls)
    try:
        yield handler
    finally:
        serving.close()
        for each in connections:
            if each.transport is not None:
                each.transport.abort()
        while any(each.transport is not None for each in connections):  # noqa: ASYNC110 - the next turn of the loop
            await asyncio.sleep(0)


class Arrived:
    """One request."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Json:
        found: Json = json.loads(self.body)
        return found


class HttpReceiver:
    """Takes requests; `statuses` are those of the next answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.arrived: list[Arrived] = []
        self.statuses: list[str] = []
        self._taking: set[asyncio.Task[None]] = set()

    async def until(self, count: int) -> list[Arrived]:
        """What arrived, once it is as much."""
        async with asyncio.timeout(SECONDS):
            while len(self.arrived) < count:  # noqa: ASYNC110 - what the server's tasks do tells no event
                await asyncio.sleep(0.02)
        return self.arrived

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._take(reader, writer))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def close(self) -> None:
        """Waits for what is on its way."""
        await asyncio.gather(*self._taking)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.arrived.append(Arrived(first.split()[1], headers, body))
            status = self.statuses.pop(0) if self.statuses else "200 OK"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def http_receiver() -> AsyncIterator[HttpReceiver]:
    """An HTTP receiver for the block."""
    at = listening_socket()
    receiver = HttpReceiver(at.getsockname()[1])
    serving = await asyncio.start_server(receiver.accept, sock=at)
    yield receiver
    serving.close()
    await receiver.close()


async def new_channel(admin: AsyncClient, *at_once: str, **fields: Any) -> Json:
    """A channel for e-mail that gets these causes at once, and no others."""
    body = {"name": "Mail", "recipients": ["anna@example.org"], "at_once": list(at_once), "daily": [], **fields}
    return made(await admin.post("/notices/channels", json=body))


async def until_so(is_so: Callable[[], Awaitable[Any]]) -> Any:
    """The first true result of `is_so`."""
    async with asyncio.timeout(SECONDS):
        while not (found := await is_so()):  # noqa: ASYNC110 - what another task does tells no event
            await asyncio.sleep(0.05)
    return found
