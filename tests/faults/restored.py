"""Temporary databases into which `stocky restore` restored a backup."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stocky.config import Config, load
from tests.cli.running import stocky
from tests.faults.shop import SECRET_KEY, Shop


@contextmanager
def restored(file: Path, shop: Shop) -> Iterator[Config]:
    """The backup restored to a new database beside the shop's. Raises AssertionError when it is refused."""
    with tempfile.TemporaryDirectory(prefix="stocky-restored-") as directory, shop.another_database(directory) as url:
        environ = {"STOCKY_DATABASE_URL": url, "STOCKY_DATA_DIR": directory, "STOCKY_SECRET_KEY": SECRET_KEY}
        done = stocky(environ, "restore", str(file), "--force")
        if done.returncode:
            raise AssertionError(f"{file.name} was refused: {done.stdout}{done.stderr}")
        yield load(environ)
