"""The guide to off-site copies: the restore on a new machine is typed as it stands."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from stocky.backup.offsite.service import Offsite
from stocky.backup.service import Backups
from stocky.backup.store import Kind, Reason
from stocky.config import load
from tests.architecture import schema
from tests.cli.running import stocky
from tests.guide.shell import needs_shell
from tests.offsite.making import ignore_progress
from tests.serving import ROOT, environment

GUIDE = (ROOT / "docs" / "backup-and-restore.md").read_text("utf-8")
SETTINGS = re.compile(r"^(STOCKY_OFFSITE_\w+)=(.*)$", re.MULTILINE)
LINES = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@needs_shell
def test_newest_copy_is_restored_on_a_new_machine(
    environ: dict[str, str], s3_server: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bucket = f"stocky-{uuid4().hex[:16]}"
    httpx.put(f"{s3_server}/{bucket}").raise_for_status()
    written = dict(SETTINGS.findall(GUIDE))
    assert set(written.values()) == {"s3://my-backups/stocky", "https://s3.example.org", "..."}
    offsite = {
        name: value.replace("my-backups", bucket).replace("https://s3.example.org", s3_server)
        for name, value in written.items()
    }
    config = load(environ | offsite)
    assert stocky(environ, "demo-data", "--items", "20", "--events", "50").returncode == 0

    async def copy() -> None:
        backups = Backups(config)
        made = await backups.create(Kind.ARCHIVE, Reason.SCHEDULED, ignore_progress)
        await backups.verify(made.id, ignore_progress)
        assert (await Offsite(config, backups).copy_outstanding(ignore_progress)).failed == []

    asyncio.run(copy())
    new = offsite | {"STOCKY_DATA_DIR": str(tmp_path_factory.mktemp("new") / "data")}
    lines, _encrypted, _changed = LINES.findall(GUIDE)
    typed = f'set -euo pipefail\nstocky() {{ {shlex.quote(sys.executable)} -m stocky "$@"; }}\n{lines}'
    done = subprocess.run(
        ["bash", "-c", typed],
        env=environment(new),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "Full restore completed" in done.stdout
    for table in ("item", "stock_event", "sku", "user_account"):
        count = f"SELECT count(*) FROM {table}"
        assert schema.run(load(new), count) == schema.run(config, count)
