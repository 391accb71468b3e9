"""What makes loading hundreds of dumps in a test fast."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stocky.backup.load import scratch


@pytest.fixture
def scratch_built_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each scratch database that this process loads into is a copy of one that the migrations have made."""
    build = scratch.build
    built: dict[int, Path] = {}

    def copy(path: Path, schema: int) -> None:
        if schema not in built:
            built[schema] = tmp_path / f"built-{schema}.db"
            build(built[schema], schema)
        shutil.copy(built[schema], path)

    monkeypatch.setattr(scratch, "build", copy)
