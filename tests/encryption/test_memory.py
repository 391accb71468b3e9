"""Encrypting and decrypting a large backup keeps memory flat; measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import environment

pytestmark = [pytest.mark.slow, pytest.mark.one_database]

MEGABYTES = 200
# A tenth of the content would show.
GROWTH = 20 * 2**20

# Prints its peak of memory after a small file was written and read, and after the large one.
MEASURED = """
import os, resource, sys
from pathlib import Path
from stocky.backup.encryption.reading import DecryptRequest, decrypt
from stocky.backup.encryption.writing import encrypting
from stocky.config import load

keys = load().encryption
directory = Path(sys.argv[1])
piece = os.urandom(300_001)
for megabytes in (2, int(sys.argv[2])):
    with (directory / "file.age").open("wb") as file, encrypting(file, keys) as target:
        for _ in range(megabytes * 1_000_000 // len(piece)):
            target.write(piece)
    request = DecryptRequest(file=str(directory / "file.age"), output=str(directory / "file"), keys=keys)
    assert decrypt(request, lambda *_: None).size_bytes > megabytes * 900_000
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_large_backup_keeps_memory_flat(encryption: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path), str(MEGABYTES)],
        env=environment(encryption | {"STOCKY_DATA_DIR": str(tmp_path / "data")}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    small, large = map(int, done.stdout.split())
    assert large - small < GROWTH
