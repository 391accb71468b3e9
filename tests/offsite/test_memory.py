"""Copying and fetching a large backup keeps memory flat; measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.offsite.making import add_backup, offsite_of
from tests.serving import environment

MEGABYTES = 100
# Half of the backup would show; what is held at a time are a few parts.
GROWTH = 48 * 2**20

# Prints its peak of memory after a small backup, and after the large one was copied, read back and fetched.
MEASURED = """
import resource, sys
from pathlib import Path
from stocky.backup.offsite.transfer import CopyRequest, FetchRequest, copy, fetch
from stocky.backup.service import Backups
from stocky.config import load

config = load()
store = Backups(config).store
destination = config.offsite.destinations[0]
for backup in sorted(store.list_backups(), key=lambda each: each.size_bytes):
    copy(CopyRequest(destination=destination, file=str(store.path(backup)), backup=backup), lambda *_: None)
    fetch(
        FetchRequest(
            destination=destination,
            name=backup.filename,
            output=str(config.backup_dir / f".fetched-{backup.size_bytes}"),
            sha256=backup.sha256,
        ),
        lambda *_: None,
    )
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
def test_large_backup_keeps_memory_flat(offsite_environ: dict[str, str], tmp_path: Path) -> None:
    config, backups, _ = offsite_of(offsite_environ, tmp_path)
    # More than one part, so that all that is needed for parts is loaded.
    add_backup(backups.store, minutes_ago=10, size=12_000_000)
    add_backup(backups.store, minutes_ago=0, size=MEGABYTES * 1_000_000)
    environ = environment(offsite_environ | {"STOCKY_DATA_DIR": str(config.data_dir)})
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    small, large = map(int, done.stdout.split())
    assert large - small < GROWTH
