"""`/metrics`: counters, figures of the stock and the database, and the token that may be set for it."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import __version__, clock
from stocky.config import ConfigError, load
from stocky.db import Database
from stocky.jobs.repository import NewJob, add_job
from stocky.metrics import SECONDS
from stocky.monitoring import figures
from tests.backup.dumps import finished
from tests.inventory import get, made, new_item, new_location, new_stock, refused

TOKEN = "a-token-for-prometheus"


@pytest.fixture(autouse=True)
def _fresh_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "CACHED_SECONDS", -1.0)


@pytest.fixture
async def with_token(app: Litestar) -> AsyncIterator[None]:
    config = app.state.config
    app.state.config = msgspec.structs.replace(config, metrics_token=TOKEN)
    yield
    app.state.config = config


async def _samples(root: AsyncClient) -> dict[str, float]:
    page = await root.get("/metrics")
    assert page.status_code == 200
    rows = (line.rpartition(" ") for line in page.text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in rows}


@pytest.mark.one_server
async def test_failed_job_is_counted(root: AsyncClient, admin: AsyncClient, database: Database) -> None:
    lease = clock.now() - timedelta(minutes=1)
    lost = NewJob(kind="documents.collect", max_attempts=1, owner="gone", lease_until=lease)
    id = await database.run(add_job, lost)
    assert id is not None
    await finished(admin, id)
    assert (await _samples(root))["stocky_jobs_failed"] == 1


async def test_page_has_figures_of_stock_and_database(root: AsyncClient, admin: AsyncClient, dialect: str) -> None:
    before = await _samples(root)
    assert before["stocky_backup_verified_age_seconds"] == math.inf
    item, shelf = await new_item(admin, min_quantity=5), await new_location(admin)
    await new_stock(admin, item, shelf, 2)
    hidden = await new_item(admin, "Tea")
    for kind in ("other", "Ada's secret"):
        made(await admin.post("/alerts", json={"alert_type": kind, "message": "Look"}))
    assert (await admin.delete(f"/items/{hidden['id']}")).status_code < 300
    after = await _samples(root)
    assert after["stocky_items"] == before["stocky_items"] + 1
    assert (before["stocky_items_low"], after["stocky_items_low"]) == (0, 1)
    # No text of members on a public page.
    alerts = {name: count for name, count in after.items() if name.startswith("stocky_alerts_active")}
    assert alerts == {'stocky_alerts_active{type="low_stock"}': 1, 'stocky_alerts_active{type="other"}': 2}
    assert after["stocky_jobs_failed"] == 0
    assert after["stocky_database_size_bytes"] > 100_000
    (build,) = (name for name in after if name.startswith("stocky_build_info"))
    assert f'version="{__version__}"' in build
    assert f'database="{dialect.partition("-")[0]}"' in build


async def test_counters_are_counters_and_keep_their_names(root: AsyncClient, admin: AsyncClient) -> None:
    await new_stock(admin, await new_item(admin), await new_location(admin), 2)
    text = (await root.get("/metrics")).text
    for name in (
        "stocky_events_recorded",
        "stocky_batches_written",
        "stocky_webhooks_delivered",
        "stocky_webhooks_failed",
        "stocky_notices_sent",
        "stocky_notices_failed",
    ):
        assert f"# TYPE {name}_total counter" in text
        assert f"# TYPE {name} gauge" in text
    samples = await _samples(root)
    assert samples["stocky_events_recorded_total"] == samples["stocky_events_recorded"] == 1
    limits = {float(limit) for limit in re.findall(r'seconds_bucket\{[^}]*le="([^"]+)"', text)}
    assert limits == {*SECONDS, math.inf}


async def test_figures_are_missing_while_the_database_cannot_be_read(app: Litestar, root: AsyncClient) -> None:
    app.state.database.gate.close("A restore is putting its data in place; send it again")
    try:
        samples = await _samples(root)
    finally:
        app.state.database.gate.open()
    assert "stocky_items" not in samples
    assert "stocky_events_waiting" in samples
    assert "stocky_items" in await _samples(root)


@pytest.mark.usefixtures("with_token")
async def test_page_with_a_token_asks_for_it(root: AsyncClient, keys: dict[str, str]) -> None:
    for headers in (
        {},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer ü"},
        {"X-API-Key": keys["admin"]},
    ):
        encoded = {name: value.encode() for name, value in headers.items()}
        answer = await root.get("/metrics", headers=encoded)
        refused(answer, 401, "STOCKY_METRICS_TOKEN")
        assert answer.headers["www-authenticate"] == "Bearer"
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert (await root.get("/metrics", headers={"Authorization": f"{scheme} {TOKEN}"})).status_code == 200
    assert (await get(root, "/health/live"))["status"] == "alive"


@pytest.mark.parametrize("token", ["short", "a token with blanks in it"])
def test_weak_token_is_rejected(token: str, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="STOCKY_METRICS_TOKEN"):
        load(environ | {"STOCKY_METRICS_TOKEN": token})
    assert load(environ | {"STOCKY_METRICS_TOKEN": TOKEN}).metrics_token == TOKEN
