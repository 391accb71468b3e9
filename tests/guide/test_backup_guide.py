"""The backup guide: its commands run as written, in order, on demo data."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.architecture import schema
from tests.cli.running import stocky
from tests.guide.shell import needs_shell
from tests.serving import ROOT, Server

GUIDE = (ROOT / "docs" / "backup-and-restore.md").read_text("utf-8")
LINES = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Tables of sessions, of the use of keys, and of actions on backups.
NOT_COMPARED = {"sign_in", "refresh_token", "job", "audit_entry", "auth_revision", "api_key", "setting"}


@pytest.mark.slow
@needs_shell
def test_backup_guide_works(
    environ: dict[str, str],
    keys: dict[str, str],
    config: Config,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    serve: Callable[..., AbstractContextManager[Server]],
) -> None:
    assert stocky(environ, "demo-data", "--items", "60", "--events", "400").returncode == 0
    before = _data(config)
    environ["STOCKY_OFFSITE_URL"] = f"file://{tmp_path_factory.mktemp('share')}"
    with serve() as server:
        blocks = LINES.findall(GUIDE)
        assert len(blocks) > 8
        script = "set -euo pipefail\n" + "\n".join(blocks)
        script = script.replace("http://127.0.0.1:8000", server.url).replace("stk_...", keys["admin"])
        done = subprocess.run(
            ["bash"], input=script, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False
        )
        assert done.returncode == 0, (done.stdout, done.stderr, server.log[-3000:])
        assert "Oh no" in done.stdout
        assert '"is_good":true' in done.stdout
        assert '"status":"failed"' not in done.stdout
        settings = httpx.get(f"{server.api}/settings", headers={"X-API-Key": keys["admin"]}).json()
        assert settings["backup_schedule_enabled"] is True
    assert _data(config) == before
    assert asyncio.run(find_faults(config)) == []


def _data(config: Config) -> dict[str, object]:
    return {table: rows for table, rows in schema.contents(config).items() if table not in NOT_COMPARED}
