"""Sends one message to one receiver: in bounded time, to a checked address, and reads only the status.

It follows no redirects and uses no proxies: both would connect to unchecked addresses; and it connects to an address,
never to a name, since a second lookup may return another. Link-local addresses, where clouds serve a machine's keys,
are never allowed; private ones only with STOCKY_WEBHOOKS_TO_PRIVATE. It trusts the system's certificates
(SSL_CERT_FILE names others).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import msgspec

from stocky import __version__, certificates
from stocky.addresses import TO_PRIVATE_SETTING, Address, may_be_reached
from stocky.errors import Invalid
from stocky.webhooks.schemas import LONGEST_URL

# For a whole attempt: lookup, connection, sending and waiting for the response.
SECONDS = 10.0
CONNECT_SECONDS = 4.0
# The time limit of a lookup when an administrator sets a URL.
LOOK_SECONDS = 3.0
LONGEST_WAIT = 3_600

# Addresses tried for one name.
ADDRESSES_TRIED = 4
# Concurrent lookups: more than the maximum of webhooks, since a hanging resolver occupies its thread for long.
LOOKUPS_AT_ONCE = 64


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of an attempt: the response status, if any, and the error; None for success.

    `wait` is the receiver's Retry-After in seconds; `is_gone`: it answered 410.
    """

    status: int | None
    error: str | None = None
    wait: int = 0
    is_gone: bool = False


class Receivers:
    """The HTTP client of one process."""

    def __init__(self, *, to_private: bool) -> None:
        self._addresses = Addresses(to_private=to_private)
        self._client: Any = None

    async def close(self) -> None:
        """Closes the client."""
        self._addresses.close()
        if self._client is not None:
            await self._client.aclose()

    async def check(self, url: str) -> str:
        """The URL as stored: scheme and host in lower case, other than ASCII encoded.

        Raises Invalid for a URL that webhooks may not reach. A name that cannot be resolved yet is accepted.
        """
        httpx = await asyncio.to_thread(_httpx)
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise Invalid(f"url: {error}", field="url") from None
        if parsed.scheme not in ("http", "https") or not parsed.raw_host:
            raise Invalid("url: must be a URL like https://home.example.org/api/webhook/stocky", field="url")
        if not 0 < origin_of(parsed)[1] < 2**16:
            raise Invalid(f"url: there is no port {parsed.port}", field="url")
        if parsed.userinfo:
            raise Invalid("url: remove the password; the receiver identifies Stocky by the signature", field="url")
        if parsed.fragment:
            raise Invalid("url: remove the part after #; it is never sent", field="url")
        if len(written := str(parsed)) > LONGEST_URL:
            raise Invalid(f"url: with its characters encoded it is longer than {LONGEST_URL} characters", field="url")
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._addresses.of(*origin_of(parsed))
        except AddressRejected as refusal:
            raise Invalid(f"url: {refusal}", field="url") from None
        except (TimeoutError, OSError):
            # The name may be resolvable when a message is sent.
            pass
        return written

    async def send(self, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        """Posts a JSON body; returns every result and error as an Outcome."""
        if self._client is None:
            try:
                # Loading the package and the certificates is slow.
                self._client = await asyncio.to_thread(make_client)
            except OSError as error:
                return Outcome(None, f"was not contacted: {certificates.unreadable(error)}")
        httpx = _httpx()
        try:
            async with asyncio.timeout(SECONDS):
                parsed = httpx.URL(url)
                target = await self._addresses.of(*origin_of(parsed))
                own = {"Content-Type": "application/json"}
                async with open_response(self._client, "POST", parsed, target, headers | own, body) as answer:
                    return _outcome(answer)
        except AddressRejected as refusal:
            return Outcome(None, str(refusal))
        except TimeoutError:
            return Outcome(None, f"did not answer within {SECONDS:g} seconds")
        except socket.gaierror:
            return Outcome(None, f"cannot be reached: the name {parsed.host} cannot be resolved")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Outcome(None, f"cannot be reached ({type(error).__name__})")


@asynccontextmanager
async def open_response(
    client: Any, method: str, url: Any, target: Target, headers: dict[str, str], body: bytes | None = None
) -> AsyncIterator[Any]:
    """The head of the response from the first address of `target` that accepts a connection."""
    httpx = _httpx()
    for address in target.addresses:
        request = client.build_request(
            method,
            url.copy_with(host=address),
            content=body,
            headers=headers | {"Host": url.netloc.decode("ascii")},
            # The certificate must match the name, not the address.
            extensions={"sni_hostname": target.host, "timeout": _TIMEOUT},
        )
        try:
            answer = await client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if address == target.addresses[-1]:
                raise
            continue
        try:
            yield answer
        finally:
            await answer.aclose()
        return


# The whole attempt has its own limit; the connect limit leaves time for further addresses.
_TIMEOUT = {"connect": CONNECT_SECONDS, "read": None, "write": None, "pool": None}


class AddressRejected(Exception):
    """An address that may not be reached; the message has the reason for people."""


class Rule(msgspec.Struct, frozen=True):
    """What a message says about the addresses that are allowed, and about those that never are."""

    allowed: str
    never: str


_OF_WEBHOOKS = Rule("webhooks are sent to public addresses only", "to which webhooks are never sent")


class Target(msgspec.Struct, frozen=True):
    """The destination of a URL: the host for the certificate, and the addresses to connect to, best first."""

    host: str
    addresses: list[str]


class Addresses:
    """Looks up the addresses of receivers, and of other hosts by the same rules."""

    def __init__(self, *, to_private: bool, rule: Rule = _OF_WEBHOOKS, at_once: int = LOOKUPS_AT_ONCE) -> None:
        self._to_private = to_private
        self._rule = rule
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="addresses")

    def close(self) -> None:
        """Closes without waiting for lookups."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def of(self, host: str, port: int) -> Target:
        """The allowed addresses of a host. Raises AddressRejected without one, OSError for an unknown name."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        allowed = [address for address in found if may_be_reached(address, to_private=self._to_private)]
        if allowed:
            return Target(host, [str(address) for address in allowed[:ADDRESSES_TRIED]])
        is_literal = host.strip("[]") == str(found[0])
        if any(may_be_reached(address, to_private=True) for address in found):
            description = "is a private address" if is_literal else f"has the private address {found[0]}"
            raise AddressRejected(
                f"{host} {description}; {self._rule.allowed}."
                f" To allow it, set {TO_PRIVATE_SETTING}=true and restart Stocky"
            )
        description = "is an address" if is_literal else f"has the address {found[0]}"
        raise AddressRejected(f"{host} {description} {self._rule.never}")


def _outcome(answer: Any) -> Outcome:
    status: int = answer.status_code
    if 200 <= status < 300:
        return Outcome(status)
    if 300 <= status < 400:
        return Outcome(status, f"answered {status}: redirects are not followed; set the url to the redirect's target")
    if status == 410:
        return Outcome(status, "answered 410: it accepts no more messages", is_gone=True)
    asked = answer.headers.get("retry-after", "")
    wait = min(int(asked), LONGEST_WAIT) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0
    return Outcome(status, f"answered {status}", wait=wait)


def origin_of(url: Any) -> tuple[str, int]:
    """The host and the port of an httpx.URL."""
    usual = 443 if url.scheme == "https" else 80
    return url.raw_host.decode("ascii"), usual if url.port is None else url.port


def _httpx() -> Any:
    import httpx

    return httpx


def make_client() -> Any:
    """An httpx.AsyncClient that connects where it is said to and nowhere else. Slow: call it in a thread."""
    httpx = _httpx()
    return httpx.AsyncClient(
        headers={"User-Agent": f"Stocky/{__version__}", "Accept-Encoding": "identity", "Connection": "close"},
        # Two names with one address must not share a connection.
        limits=httpx.Limits(max_keepalive_connections=0),
        # Receivers at one address must not share cookies.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        verify=httpx.create_ssl_context(),
        trust_env=False,
        follow_redirects=False,
    )


def _look_up(host: str, port: int) -> list[Address]:
    """The addresses of a host, best first. Raises OSError."""
    try:
        answers: list[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is not a valid host name") from error
    # A link-local address has its interface after a percent sign.
    return [ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in answers]
