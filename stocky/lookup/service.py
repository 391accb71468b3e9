"""A service that knows products, asked over HTTP; whatever it answers, it takes bounded time and bounded memory.

`GET <url>/<barcode>`, answered as Open Food Facts does (version 2), or with a product by itself.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import quote

import msgspec

from stocky import __version__
from stocky.errors import Unavailable

MAX_ANSWER_BYTES = 2**20
REDIRECTS = 3
AT_ONCE = 4
LONGEST_NAME = 200
LONGEST_VALUE = 500
# What the service says of a barcode that it does not know.
_UNKNOWN = frozenset((400, 404, 410, 422))
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_NAMES = ("product_name", "product_name_en", "name", "title", "generic_name", "abbreviated_product_name")
# Of the hundreds of values that Open Food Facts may know, those that help to tell a thing by.
_KEPT = (*_NAMES, "brands", "quantity", "categories", "countries", "description", "image_url", "url", "code")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")


class Product(msgspec.Struct, frozen=True):
    """What the service knows: a name, where it has one, and a few values as they came."""

    name: str | None
    data: dict[str, str | int | float | bool]


class ProductService:
    """The service at one address. A failure is raised as Unavailable: asking again later may be answered."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._client: Any = None
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def find_product(self, barcode: str) -> Product | None:
        """None for a barcode that the service does not know. Raises Unavailable."""
        if self._client is None:
            # Loading the package and the certificates takes a while.
            self._client = await asyncio.to_thread(_make_client)
        import httpx

        async with self._turns:
            try:
                # One bound for all of it: a server that sends a byte now and then keeps every other one.
                async with asyncio.timeout(self._timeout):
                    status, body = await self._get(f"{self._url}/{quote(barcode, safe='')}")
            except TimeoutError:
                raise _failure(f"did not answer within {self._timeout:g} s (STOCKY_UPC_SERVICE_TIMEOUT)") from None
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise _failure(f"cannot be reached ({type(error).__name__})") from error
        if status in _UNKNOWN:
            return None
        if status != 200:
            raise _failure(f"answered with status {status}")
        return read_product(body)

    async def close(self) -> None:
        """Lets go of the connections."""
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
                raise _failure("redirects elsewhere; if that is meant, set STOCKY_UPC_SERVICE_URL to it")
            url = str(target)
        raise _failure("redirects again and again")


def read_product(body: bytes) -> Product | None:
    """The product in an answer; None where it says that there is none. Raises Unavailable for anything else."""
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _failure("answered with something that is no product") from None
    product = answer.get("product", answer)
    if answer.get("status") in (0, "0", "failure") or not product:
        return None
    if not isinstance(product, dict):
        raise _failure("answered with something that is no product")
    name = next((text for key in _NAMES if (text := _text(product.get(key)))), None)
    return Product(name and name[:LONGEST_NAME], {key: value for key in _KEPT if (value := _value(product.get(key)))})


def _value(value: Any) -> str | int | float | bool | None:
    return value if isinstance(value, int | float) else _text(value)[:LONGEST_VALUE]


def _text(value: Any) -> str:
    return _CONTROL.sub(" ", value).strip() if isinstance(value, str) else ""


async def _bounded(answer: Any) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        # What is packed may be any size, and was not asked for.
        raise _failure("answered with something that is no product")
    body = b""
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise _failure(f"answered with more than {MAX_ANSWER_BYTES // 2**20} MiB")
    return body


def _make_client() -> Any:
    import httpx

    return httpx.AsyncClient(
        headers={"User-Agent": f"Stocky/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"},
        limits=httpx.Limits(max_connections=AT_ONCE),
        # The whole of it has a bound of its own.
        timeout=None,  # noqa: S113
    )


def _failure(what: str) -> Unavailable:
    return Unavailable(f"The look-up service {what}; try again later", retry_after=60)
