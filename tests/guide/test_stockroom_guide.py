"""The stockroom guide: its commands run as written, in order, on demo data."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.cli.running import stocky
from tests.guide.shell import needs_shell
from tests.serving import ROOT, Server

GUIDE = (ROOT / "docs" / "stockroom.md").read_text("utf-8")
LINES = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.one_server
@needs_shell
def test_stockroom_guide_works(
    environ: dict[str, str],
    keys: dict[str, str],
    config: Config,
    tmp_path: Path,
    serve: Callable[..., AbstractContextManager[Server]],
) -> None:
    assert stocky(environ, "demo-data", "--items", "40", "--events", "200").returncode == 0
    blocks = LINES.findall(GUIDE)
    assert len(blocks) > 7
    script = "set -euo pipefail\n" + "\n".join(blocks)
    with serve() as server:
        script = script.replace("http://127.0.0.1:8000", server.url).replace("stk_...", keys["admin"])
        done = subprocess.run(
            ["bash"], input=script, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False
        )
        assert done.returncode == 0, (done.stdout[-2000:], done.stderr, server.log[-3000:])
    assert done.stdout.count("Transistor BC547") > 2
    assert asyncio.run(find_faults(config)) == []
