"""Fetches datasheets: PDFs of bounded size, in bounded time, from checked addresses only.

The URLs come from a model, so each, and each redirect of one, is checked by the rules of webhooks; see
`webhooks/http_client`. Of another response than a PDF only its status and type are shown.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from pathlib import Path
from typing import Any, BinaryIO

from stocky import certificates
from stocky.addresses import may_be_reached
from stocky.disk import disk_errors
from stocky.documents.kinds import BEGINNING, CHUNK, PDF, identify
from stocky.errors import Invalid, Unavailable
from stocky.webhooks.http_client import Addresses, AddressRejected, Rule, make_client, open_response, origin_of

LONGEST_URL = 1_000
MAX_BYTES = 50 * 2**20
SECONDS = 60.0
REDIRECTS = 5
AT_ONCE = 2
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
# Answers below 500 that may be another one later.
_TEMPORARY = frozenset((408, 425, 429))
# Errors of a name without an address, where not every system has the second; other errors are of the resolver.
_NO_ADDRESS = frozenset((socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)))
_NOT_WEB = "The datasheet was not fetched: it redirects to something other than http and https"
_TYPES = frozenset(("", "application/octet-stream", "binary/octet-stream", PDF.content_type, *PDF.also_called))
_RULE = Rule("datasheets are fetched from public addresses only", "from which datasheets are never fetched")


def check_url(text: str, *, to_private: bool) -> str:
    """The URL in its normal form, of ASCII characters. Imports httpx: call it in a thread.

    Raises ValueError for one that is not http(s), names a user, or has an address that may not be reached for a name.
    """
    import httpx

    try:
        url = httpx.URL(text.strip())
        host, _ = origin_of(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError(f"this is no URL ({error})") from None
    # httpx encodes what no host name has.
    if not _is_web(url) or "%" in host:
        raise ValueError("must be a URL like https://example.org/lm317.pdf")
    written = str(url.copy_with(fragment=None))
    if len(written) > LONGEST_URL or not written.isascii() or not written.isprintable():
        raise ValueError(f"must have at most {LONGEST_URL} characters")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return written
    if not may_be_reached(address, to_private=to_private):
        raise ValueError(f"{host} is an address from which datasheets are not fetched")
    return written


def _is_web(url: Any) -> bool:
    """Whether an httpx.URL is one of http or https, with a host and a port that exist, and names no user."""
    host, port = origin_of(url)
    return url.scheme in ("http", "https") and bool(host) and 0 < port < 2**16 and not url.userinfo


class DatasheetClient:
    """The HTTP client for datasheets of one process."""

    def __init__(self, *, to_private: bool) -> None:
        self._addresses = Addresses(to_private=to_private, rule=_RULE, at_once=AT_ONCE)
        self._client: Any = None

    async def close(self) -> None:
        """Closes the client."""
        self._addresses.close()
        if self._client is not None:
            await self._client.aclose()

    async def fetch(self, url: str, file: Path) -> str:
        """Writes the PDF at `url` to `file`, and returns its declared type.

        Raises Invalid for what is no PDF, too large, or at an address that is not allowed; Unavailable, OutOfSpace.
        """
        if self._client is None:
            try:
                # Loading the package and the certificates is slow.
                self._client = await asyncio.to_thread(make_client)
            except OSError as error:
                raise _unavailable(certificates.unreadable(error)) from error
        import httpx

        try:
            async with asyncio.timeout(SECONDS):
                with disk_errors(), file.open("wb") as opened:
                    return await self._follow(httpx.URL(url), opened)
        except AddressRejected as refusal:
            raise Invalid(f"The datasheet was not fetched: {refusal}") from None
        except TimeoutError:
            raise _unavailable(f"it was not complete within {SECONDS:g} seconds") from None
        except socket.gaierror as error:
            if error.errno in _NO_ADDRESS:
                raise _gone("its server does not exist") from None
            raise _unavailable("the name of its server cannot be resolved") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _unavailable(f"its server cannot be reached ({type(error).__name__})") from None

    async def _follow(self, url: Any, opened: BinaryIO) -> str:
        """Follows the redirects, each to a checked address."""
        for _ in range(REDIRECTS + 1):
            if not _is_web(url):
                raise Invalid(_NOT_WEB)
            target = await self._addresses.of(*origin_of(url))
            async with open_response(self._client, "GET", url, target, {"Accept": PDF.content_type}) as answer:
                location = answer.headers.get("location", "")
                if answer.status_code not in _REDIRECTS or not location:
                    return await _receive(answer, opened)
            # The request was sent to an address, so that the URL of the answer has no name.
            url = url.join(location)
        raise Invalid(f"The datasheet was not fetched: it redirects more than {REDIRECTS} times")


async def _receive(answer: Any, opened: BinaryIO) -> str:
    """Writes the content of an answer that is a PDF, and returns its declared type."""
    status = answer.status_code
    if status >= 500 or status in _TEMPORARY:
        raise _unavailable(f"its server answered {status}")
    if status != 200:
        raise _gone(f"its server answered {status}")
    declared: str = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared not in _TYPES or answer.headers.get("content-encoding", "identity") != "identity":
        raise Invalid(f"The datasheet was not stored: it is {declared[:100] or 'compressed'} and not a PDF")
    size, waiting = 0, bytearray()
    async for chunk in answer.aiter_raw():
        waiting += chunk
        size += len(chunk)
        if size > MAX_BYTES:
            raise Invalid(f"The datasheet was not stored: it is larger than {MAX_BYTES // 2**20} MiB")
        if size == len(waiting) and size >= BEGINNING:
            _check_beginning(waiting)
        if len(waiting) >= CHUNK:
            await asyncio.to_thread(opened.write, bytes(waiting))
            waiting.clear()
    if size == len(waiting):
        _check_beginning(waiting)
    await asyncio.to_thread(opened.write, bytes(waiting))
    return declared


def _check_beginning(content: bytearray) -> None:
    if identify(bytes(content[:BEGINNING])) is not PDF:
        raise Invalid("The datasheet was not stored: its content is not a PDF")


def _gone(what: str) -> Invalid:
    """The error of a link that is dead, perhaps since the model invented it: a refusal, and no failure of Stocky."""
    return Invalid(f"The datasheet was not fetched: {what}; reject the suggestion")


def _unavailable(what: str) -> Unavailable:
    return Unavailable(f"The datasheet was not fetched: {what}; try again later, or reject it", retry_after=60)
