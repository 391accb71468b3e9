"""Sends e-mail through the server of the settings, in bounded time; every failure is returned in words.

The owner of the server sets its address, so it may be a private one. A password goes over TLS only.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

import aiosmtplib
from aiosmtplib import SMTPException
from msgspec import Struct

from stocky.config import MailSettings
from stocky.logs.redaction import MASK, redact
from stocky.notices.texts import NoticeText

NOT_SET_UP = "E-mail is not set up: set STOCKY_SMTP_HOST and STOCKY_SMTP_FROM, and restart Stocky"
# Of an answer of the server.
LONGEST_ANSWER = 500
QUIT_SECONDS = 2


class MailOutcome(Struct, frozen=True):
    """`error` is why nobody gets the message; `refused` names the recipients that do not, where others do."""

    error: str | None = None
    refused: str | None = None


async def send_mail(
    settings: MailSettings | None, recipients: list[str], text: NoticeText, message_id: str
) -> MailOutcome:
    """Sends a message; the outcome has the exact failure."""
    if settings is None:
        return MailOutcome(NOT_SET_UP)
    if not recipients:
        return MailOutcome("there are no recipients; set some")
    try:
        message = _message(settings, recipients, text, message_id)
    except ValueError as error:
        return MailOutcome(f"the message cannot be written ({error}); check the recipients")
    client = aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.port,
        timeout=settings.timeout,
        use_tls=settings.security == "tls",
        start_tls=settings.security == "starttls",
        tls_context=None if settings.security == "none" else await asyncio.to_thread(ssl.create_default_context),
    )
    try:
        async with asyncio.timeout(settings.timeout):
            return await _send(client, settings, recipients, message)
    except TimeoutError:
        return MailOutcome(f"the mail server {settings.address} did not answer within {settings.timeout} seconds")
    finally:
        await _quit(client)


async def _send(
    client: aiosmtplib.SMTP, settings: MailSettings, recipients: list[str], message: EmailMessage
) -> MailOutcome:
    server = f"the mail server {settings.address}"
    try:
        await client.connect()
        if settings.user:
            await client.login(settings.user, settings.password)
        refused, _ = await client.send_message(message, sender=settings.sender_address, recipients=recipients)
    except aiosmtplib.SMTPAuthenticationError as error:
        return MailOutcome(f"{server} refused the user or password: {_answer(settings, error)}")
    except aiosmtplib.SMTPSenderRefused as error:
        return MailOutcome(f"{server} refused the sender {settings.sender_address}: {_answer(settings, error)}")
    except aiosmtplib.SMTPRecipientsRefused as error:
        answers = "; ".join(f"{each.recipient}: {_answer(settings, each)}" for each in error.recipients)
        return MailOutcome(f"{server} refused {answers}")
    except aiosmtplib.SMTPResponseException as error:
        return MailOutcome(f"{server} answered {_answer(settings, error)}")
    except (SMTPException, OSError) as error:
        # A certificate that is not trusted is an OSError as well.
        reason = _shown(settings, _reason(error))
        if "STARTTLS" in reason:
            return MailOutcome(f"{server} cannot encrypt: {reason} Check STOCKY_SMTP_SECURITY and STOCKY_SMTP_PORT")
        return MailOutcome(f"{server} cannot be reached: {reason}")
    if refused:
        # The others have it: repeating it would send it to them again.
        answers = "; ".join(
            f"{recipient}: {answer.code} {_shown(settings, answer.message)}" for recipient, answer in refused.items()
        )
        return MailOutcome(refused=f"{server} refused {answers}")
    return MailOutcome()


async def _quit(client: aiosmtplib.SMTP) -> None:
    """Says goodbye; the outcome is known already, so nothing here changes it."""
    with suppress(SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(QUIT_SECONDS):
            if client.is_connected:
                await client.quit()
    client.close()


def _message(settings: MailSettings, recipients: list[str], text: NoticeText, message_id: str) -> EmailMessage:
    """The message. Raises ValueError for recipients that a header cannot hold."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = " ".join(text.subject.split())
    message["From"] = settings.sender
    message["To"] = ", ".join(recipients)
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{message_id}@{settings.sender_address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text.body)
    return message


def _reason(error: BaseException) -> str:
    """The text of the first cause that has one."""
    cause = error.__cause__ or error.__context__
    text = str(error) or type(error).__name__
    return str(cause) if isinstance(cause, OSError) and str(cause) else text


def _answer(settings: MailSettings, error: aiosmtplib.SMTPResponseException) -> str:
    return f"{error.code} {_shown(settings, error.message)}"


def _shown(settings: MailSettings, text: str) -> str:
    """The text without the password, which a server may repeat."""
    text = " ".join(text.split())
    if settings.password:
        text = text.replace(settings.password, MASK)
    return redact(text[:LONGEST_ANSWER])
