"""HTTP client of a look-up service for products; any answer takes bounded time and bounded memory.

`GET <url>/<barcode>`, answered as by Open Food Facts (version 2), or with a bare product.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import quote

import msgspec

from stocky import __version__, certificates
from stocky.errors import Unavailable

MAX_ANSWER_BYTES = 2**20
REDIRECTS = 3
AT_ONCE = 4
LONGEST_NAME = 200
LONGEST_VALUE = 500
# Status codes for an unknown barcode.
_UNKNOWN = frozenset((400, 404, 410, 422))
# Of a service that is busy, whatever the barcode.
_BUSY = frozenset((408, 429))
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_NAMES = ("product_name", "product_name_en", "name", "title", "generic_name", "abbreviated_product_name")
# The values that help to identify a product, of the hundreds that Open Food Facts may have.
_STORED = (*_NAMES, "brands", "quantity", "categories", "countries", "description", "image_url", "url", "code")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")


class Product(msgspec.Struct, frozen=True):
    """The service's data: a name, if it has one, and a few unchanged values."""

    name: str | None
    data: dict[str, str | int | float | bool]


class UnusableAnswer(Unavailable):
    """An answer that is neither a product nor the lack of one; other barcodes may have usable answers."""


class ProductService:
    """The service at one address. A failure is raised as Unavailable, since a retry may succeed."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._client: Any = None
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def find_product(self, barcode: str) -> Product | None:
        """The product of a barcode, or None if the service does not know it. Raises Unavailable, UnusableAnswer."""
        if self._client is None:
            try:
                # Loading the package and the certificates is slow.
                self._client = await asyncio.to_thread(_make_client)
            except OSError as error:
                raise _failure(f"was not asked: {certificates.unreadable(error)}") from error
        import httpx

        async with self._turns:
            try:
                # One bound for the whole request: a server that sends single bytes slowly meets every other timeout.
                async with asyncio.timeout(self._timeout):
                    status, body = await self._get(f"{self._url}/{quote(barcode, safe='')}")
            except TimeoutError:
                raise _failure(f"did not answer within {self._timeout:g} s (STOCKY_UPC_SERVICE_TIMEOUT)") from None
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise _failure(f"cannot be reached ({type(error).__name__})") from error
        if status in _UNKNOWN:
            return None
        if status >= 500 or status in _BUSY:
            raise _failure(f"answered with status {status}")
        if status != 200:
            raise _unusable(f"answered with status {status}")
        return read_product(body)

    async def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _get(self, url: str) -> tuple[int, bytes]:
        import httpx

        origin = httpx.URL(url)
        for _ in range(REDIRECTS + 1):
            async with self._client.stream("GET", url) as answer:
                if answer.status_code not in _REDIRECTS:
                    return answer.status_code, await _bounded(answer)
                target = answer.next_request.url if answer.next_request else None
            if target is None or (target.scheme, target.host, target.port) != (origin.scheme, origin.host, origin.port):
                raise _unusable("redirects to another host; if that is intended, set STOCKY_UPC_SERVICE_URL to it")
            url = str(target)
        raise _unusable("redirects too often")


def read_product(body: bytes) -> Product | None:
    """The product in an answer, or None if it has none. Raises UnusableAnswer for any other content."""
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _unusable("sent an answer that is not a product") from None
    product = answer.get("product", answer)
    if answer.get("status") in (0, "0", "failure") or not product:
        return None
    if not isinstance(product, dict):
        raise _unusable("sent an answer that is not a product")
    name = next((text for key in _NAMES if (text := _text(product.get(key)))), None)
    return Product(name and name[:LONGEST_NAME], {key: value for key in _STORED if (value := _value(product.get(key)))})


def _value(value: Any) -> str | int | float | bool | None:
    return value if isinstance(value, int | float) else _text(value)[:LONGEST_VALUE]


def _text(value: Any) -> str:
    return _CONTROL.sub(" ", value).strip() if isinstance(value, str) else ""


async def _bounded(answer: Any) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        # A compressed answer was not requested, and may unpack to any size.
        raise _unusable("sent an answer that is not a product")
    body = b""
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise _unusable(f"answered with more than {MAX_ANSWER_BYTES // 2**20} MiB")
    return body


def _make_client() -> Any:
    import httpx

    return httpx.AsyncClient(
        headers={"User-Agent": f"Stocky/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"},
        limits=httpx.Limits(max_connections=AT_ONCE),
        timeout=None,  # noqa: S113 - the whole request has its own bound
    )


def _failure(what: str) -> Unavailable:
    return Unavailable(f"The look-up service {what}; try again later", retry_after=60)


def _unusable(what: str) -> UnusableAnswer:
    return UnusableAnswer(f"The look-up service {what}; try again later", retry_after=60)
