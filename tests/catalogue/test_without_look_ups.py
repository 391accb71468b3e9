"""Without a service nothing is looked up, and the error names the setting."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from stocky.config import ConfigError, load
from tests.inventory import new_item, refused


async def test_look_up_without_a_service_names_the_missing_setting(member: AsyncClient) -> None:
    item = await new_item(member, upc="4006381333931")
    refused(await member.post(f"/items/{item['id']}/refresh-upc"), 409, "STOCKY_UPC_SERVICE_URL")
    refused(await member.post("/items/refresh-upc-missing"), 409, "STOCKY_UPC_SERVICE_URL")


@pytest.mark.one_database
@pytest.mark.parametrize(
    "url",
    [
        *("products.example.org", "ftp://example.org", "https://", "https://x.org/?barcode="),
        *("http://[::1/product", "http://x.org:abc/product", "http://x.org:99999/product"),
    ],
)
def test_invalid_service_address_is_reported_at_start(environ: dict[str, str], url: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(environ | {"STOCKY_UPC_SERVICE_URL": url, "STOCKY_UPC_SERVICE_TIMEOUT": "0"})
    assert [problem.split(":")[0] for problem in error.value.problems] == [
        "STOCKY_UPC_SERVICE_URL",
        "STOCKY_UPC_SERVICE_TIMEOUT",
    ]
