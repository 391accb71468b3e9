"""E-mail to a real SMTP server: plain, STARTTLS and TLS, with a password, and every failure in words."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stocky.config import MailSettings
from stocky.notices.mail import send_mail
from stocky.notices.texts import NoticeText
from tests.notices.receiving import MailServer, mail_server

PASSWORD = "a-password-of-the-mailbox"
TEXT = NoticeText("Stocky: Läuft ab", "Müsli läuft ab.\nMilch auch.")
ANNA, BEN = "anna@example.org", "ben@example.org"


def settings(at: socket.socket, **fields: Any) -> MailSettings:
    usual: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": at.getsockname()[1],
        "security": "none",
        "user": "",
        "password": "",
        "sender": "Stocky <stocky@example.org>",
        "timeout": 20,
    }
    return MailSettings(**usual | fields)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of this machine with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "mail.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def send(*arguments: Any) -> str | None:
    """The failure, of a message that all recipients get or none."""
    outcome = await send_mail(*arguments)
    assert outcome.refused is None
    return outcome.error


async def test_message_arrives_as_written(mail: MailServer, mail_socket: socket.socket) -> None:
    assert await send(settings(mail_socket), [ANNA, BEN], TEXT, "abc") is None
    [message] = mail.messages
    assert mail.texts == ["Stocky: Läuft ab\nMüsli läuft ab.\nMilch auch."]
    assert (message["From"], message["To"]) == ("Stocky <stocky@example.org>", f"{ANNA}, {BEN}")
    assert (message["Message-ID"], message["Auto-Submitted"]) == ("<abc@example.org>", "auto-generated")
    assert mail.senders == ["stocky@example.org"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_password_goes_over_tls(
    security: str, mail_socket: socket.socket, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = server_context(certificate)
    tls = {"starttls": context} if security == "starttls" else {"tls": context}
    with_password = settings(mail_socket, security=security, user="stocky", password=PASSWORD)
    async with mail_server(mail_socket, password=PASSWORD, **tls) as mail:
        # Not trusted yet.
        error = await send(with_password, [ANNA], TEXT, "a")
        assert error is not None
        assert "certificate verify failed" in error
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert await send(with_password, [ANNA], TEXT, "b") is None
        assert len(mail.messages) == 1
        wrong = msgspec.structs.replace(with_password, password="wrong")
        error = await send(wrong, [ANNA], TEXT, "c")
        assert error is not None
        assert "refused the user or password: 535" in error
        assert PASSWORD not in error
        assert len(mail.messages) == 1


async def test_starttls_is_required(mail: MailServer, mail_socket: socket.socket) -> None:
    error = await send(settings(mail_socket, security="starttls"), [ANNA], TEXT, "a")
    assert error is not None
    assert "STOCKY_SMTP_SECURITY" in error
    assert mail.messages == []


async def test_refusals_are_reported(mail: MailServer, mail_socket: socket.socket) -> None:
    mail.refused = {ANNA}
    error = await send(settings(mail_socket), [ANNA], TEXT, "a")
    assert (
        error == f"the mail server 127.0.0.1:{mail_socket.getsockname()[1]} refused {ANNA}: 550 5.1.1 no such mailbox"
    )
    # The other one has it, so it is not repeated.
    outcome = await send_mail(settings(mail_socket), [ANNA, BEN], TEXT, "a")
    assert (outcome.error, outcome.refused) == (None, error)
    assert len(mail.messages) == 1
    mail.answers = ["452 the mailbox is full"]
    error = await send(settings(mail_socket), [BEN], TEXT, "a")
    assert error is not None
    assert error.endswith("answered 452 the mailbox is full")


async def test_server_that_is_gone_or_silent_takes_bounded_time(mail_socket: socket.socket) -> None:
    error = await send(settings(mail_socket), [ANNA], TEXT, "a")
    assert error is not None
    assert "cannot be reached" in error

    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()
            writer.close()
            await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(silent, sock=mail_socket)
    error = await send(settings(mail_socket, timeout=1), [ANNA], TEXT, "a")
    await gone.wait()
    server.close()
    assert error is not None
    assert "127.0.0.1" in error
    assert await send(None, [ANNA], TEXT, "a") == (
        "E-mail is not set up: set STOCKY_SMTP_HOST and STOCKY_SMTP_FROM, and restart Stocky"
    )
