"""The guide to encryption: the restores on a new machine and of an earlier passphrase are typed as they stand."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from stocky.config import Config, load
from tests.architecture import schema
from tests.cli.running import stocky
from tests.encryption.keys import OTHER_PASSPHRASE, PASSPHRASE
from tests.guide.shell import needs_shell
from tests.guide.test_offsite_guide import GUIDE, LINES
from tests.serving import environment


@pytest.mark.slow
@needs_shell
def test_encrypted_archive_is_restored_on_a_new_machine(
    environ: dict[str, str], config: Config, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert stocky(environ, "demo-data", "--items", "20", "--events", "50").returncode == 0
    machine = tmp_path_factory.mktemp("machine")
    (machine / "passphrase").write_text(f"{PASSPHRASE}\n")
    archive = machine / "stocky.zip.age"
    encrypted = environ | {"STOCKY_BACKUP_PASSPHRASE_FILE": str(machine / "passphrase")}
    done = stocky(encrypted, "backup", "--kind", "archive", "-o", str(archive))
    assert done.returncode == 0, done.stderr
    assert b"INSERT INTO" not in archive.read_bytes()
    (machine / "old-passphrase").write_text(f"{OTHER_PASSPHRASE}\n")
    earlier = environ | {"STOCKY_BACKUP_PASSPHRASE_FILE": str(machine / "old-passphrase")}
    done = stocky(earlier, "backup", "--kind", "archive", "-o", str(machine / "old.zip.age"))
    assert done.returncode == 0, done.stderr
    _offsite, lines, changed = LINES.findall(GUIDE)
    assert "stocky.zip.age" in lines
    assert "old.zip.age" in changed
    new = {"STOCKY_DATA_DIR": str(machine / "data")}
    typed = f'set -euo pipefail\nstocky() {{ {shlex.quote(sys.executable)} -m stocky "$@"; }}\n{lines}{changed}'
    run = subprocess.run(
        ["bash", "-c", typed],
        env=environment(new),
        cwd=machine,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, (run.stdout, run.stderr)
    assert run.stdout.count("Full restore completed") == 2
    assert "All is well" in run.stdout
    for table in ("item", "stock_event", "sku", "user_account"):
        count = f"SELECT count(*) FROM {table}"
        assert schema.run(load(new), count) == schema.run(config, count)
