"""The guide to upgrading: yoyo's lines are typed as they stand, and Stocky works on the database that they make."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from stocky.config import load
from stocky.db.migrate import check_schema, list_migrations, migrate
from tests.architecture import schema
from tests.guide.shell import needs_shell
from tests.serving import ROOT

GUIDE = (ROOT / "docs" / "upgrading.md").read_text("utf-8")
LINES = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = {
    "sqlite": "sqlite:////srv/stocky/stocky.db",
    "postgres": "postgresql+psycopg://stocky@db.example.org/stocky",
}


@needs_shell
def test_a_database_that_yoyo_has_migrated_is_taken_by_stocky(
    empty_environ: dict[str, str], environ: dict[str, str], tmp_path: Path
) -> None:
    if empty_environ["STOCKY_DATABASE_URL"].startswith("sqlite"):
        (tmp_path / "50% #1?").mkdir()
        empty_environ["STOCKY_DATABASE_URL"] = f"sqlite:///{tmp_path}/50% #1?/stocky.db"
    config = load(empty_environ)
    (line,) = [each for each in LINES.findall(GUIDE) if EXAMPLES[config.dialect] in each]
    if config.dialect == "sqlite":
        address = f"sqlite:///{quote(str(config.sqlite_path))}"
    else:
        address = empty_environ["STOCKY_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
    done = subprocess.run(
        ["bash", "-euc", line.replace(EXAMPLES[config.dialect], f"'{address}'")],
        cwd=ROOT,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    check_schema(config)
    assert migrate(config) == []
    assert schema.run(config, "SELECT count(*) FROM migration_checksum") == [(len(list_migrations(config)),)]
    assert schema.columns(config) == schema.columns(load(environ))
    assert schema.indexes(config) == schema.indexes(load(environ))
    if config.dialect == "sqlite":
        assert config.sqlite_path.stat().st_mode & 0o777 == 0o600
        assert sorted(each.name for each in config.sqlite_path.parent.iterdir()) == ["stocky.db"]
