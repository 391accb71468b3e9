"""Short runs of the fault scripts with every test run; `make faults` runs them longer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults import migrate_kill, mqtt
from tests.faults.kill import kill_again_and_again
from tests.faults.shop import DIALECTS, shop_on
from tests.faults.storm import storm
from tests.mosquitto import mosquitto, needs_mosquitto
from tests.serving import serve


@pytest.mark.slow
def test_sums_are_exact_after_64_connections_scan_ten_items(empty_environ: dict[str, str], tmp_path: Path) -> None:
    shop = shop_on(empty_environ["STOCKY_DATABASE_URL"], tmp_path)
    with serve(shop.environ, tmp_path) as server:
        port = int(server.url.rpartition(":")[2])
        assert asyncio.run(storm(shop, port, scans=1500, connections=64)) == []
    assert len(shop.acknowledged) == 1350


@pytest.mark.slow
def test_kill_under_32_writers_loses_and_doubles_nothing(
    dialect: str, empty_environ: dict[str, str], tmp_path: Path
) -> None:
    shop = shop_on(empty_environ["STOCKY_DATABASE_URL"], tmp_path)
    processes = 1 if dialect == "sqlite" else 2
    assert asyncio.run(kill_again_and_again(shop, 1, processes)) == []
    assert shop.acknowledged == shop.sent.keys()


@pytest.mark.slow
@pytest.mark.parametrize("kind", DIALECTS)
def test_killed_migration_succeeds_at_the_next_start(kind: str) -> None:
    assert migrate_kill.run(kind, kills=1)


@needs_mosquitto
@pytest.mark.slow
def test_each_scan_over_mqtt_counts_once_when_mosquitto_and_stocky_are_killed(
    dialect: str, empty_environ: dict[str, str], tmp_path: Path
) -> None:
    shop = shop_on(empty_environ["STOCKY_DATABASE_URL"], tmp_path)
    with mosquitto(tmp_path / "broker") as broker:
        processes = 1 if dialect == "sqlite" else 2
        assert asyncio.run(mqtt.kill_again_and_again(shop, broker, scans=600, kills=1, processes=processes)) == []
    assert len(shop.acknowledged) == 600
    # Some scans were sent twice from the start.
    assert shop.answers["duplicate"] > 0
