"""Invalid environment settings are rejected by name at start."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocky.config import ConfigError, load


@pytest.mark.parametrize("origins", ["*", "https://*.example.org", "https://stock.example.org,*", '["http://*"]'])
def test_wildcard_origin_is_rejected(origins: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_ALLOWED_ORIGINS": origins})
    (problem,) = refusal.value.problems
    assert problem.startswith("STOCKY_ALLOWED_ORIGINS: ")
    assert "wildcard" in problem
