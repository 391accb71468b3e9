"""A Stocky with a mail server, which looks for causes all the time and may send to this machine."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from litestar import Litestar

from tests.notices.receiving import HttpReceiver, MailServer, http_receiver, listening_socket, mail_server


@pytest.fixture
def mail_socket() -> Iterator[socket.socket]:
    """Where the mail server is."""
    with listening_socket() as found:
        yield found


@pytest.fixture
def environ(environ: dict[str, str], mail_socket: socket.socket) -> dict[str, str]:
    return environ | {
        "STOCKY_WEBHOOKS_TO_PRIVATE": "true",
        "STOCKY_SMTP_HOST": "127.0.0.1",
        "STOCKY_SMTP_PORT": str(mail_socket.getsockname()[1]),
        "STOCKY_SMTP_SECURITY": "none",
        "STOCKY_SMTP_FROM": "Stocky <stocky@example.org>",
    }


@pytest.fixture
async def mail(mail_socket: socket.socket) -> AsyncIterator[MailServer]:
    """The mail server of the settings."""
    async with mail_server(mail_socket) as server:
        yield server


@pytest.fixture
async def receiver() -> AsyncIterator[HttpReceiver]:
    """An HTTP receiver on this machine."""
    async with http_receiver() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks every 0.1 seconds instead of ten, and failures are retried soon."""
    monkeypatch.setattr("stocky.notices.service.LOOK_SECONDS", 0.1)
    monkeypatch.setattr("stocky.notices.service.OTHERS_SECONDS", 0.1)
    monkeypatch.setattr("stocky.notices.service.FIRST_BACK_OFF", timedelta(seconds=0.2))
    monkeypatch.setattr("stocky.notices.service.LAST_BACK_OFF", timedelta(seconds=0.2))


@pytest.fixture
async def app(mail: MailServer, app: Litestar) -> Litestar:
    """The application, which ends before its mail server: that one would leave connections half open."""
    return app
