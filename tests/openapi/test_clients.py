"""Clients that openapi-python-client and openapi-typescript generate from the document work without corrections."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests import generators
from tests.conftest import TestDatabases, settings
from tests.documents.files import picture
from tests.people import PASSWORD
from tests.serving import ROOT, serve

HERE = ROOT / "tests" / "openapi" / "clients"
PIXEL = picture()
SECONDS = 120


class Served(NamedTuple):
    """A Stocky, and the environment of the programs that call it."""

    url: str
    environ: dict[str, str]


@pytest.fixture(scope="module")
def served(databases: TestDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("served")
    with databases.copy("sqlite", directory) as url, serve(settings(url, directory), directory) as server:
        key = databases.keys["sqlite"]["member"]
        environ = {
            "STOCKY_URL": server.url,
            "STOCKY_KEY": key,
            "STOCKY_PASSWORD": PASSWORD,
            "STOCKY_PICTURE": PIXEL.hex(),
        }
        yield Served(server.url, environ)


def _run(command: list[str | Path], directory: Path, environ: dict[str, str] | None = None) -> str:
    """Runs a program in `directory` and returns its output."""
    run = subprocess.run(
        [str(each) for each in command],
        cwd=directory,
        env=os.environ | (environ or {}),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    return run.stdout


def _expected(language: str, code: str) -> dict[str, Any]:
    """What both clients get."""
    return {
        "me": ["member", "member"],
        "item": [f"Coffee by {language}", code, None],
        "statuses": [201, 200],
        "changed": [10, ["beans"], 1],
        "adjusted": 3,
        "posted": [1, "applied", 3.3],
        "state": ["remove", f"Shelf of {language}"],
        "scanned": [True, -1, 2.3],
        "listed": [[f"Coffee by {language}", f"Shelf of {language}", 2.3]],
        "events": [2, True],
        "found": [[f"Coffee by {language}", "whole"]],
        "entry": ["Napkins", None, 1],
        "picture": ["image", "Front", True],
        "missing": [404, "/problems/not-found"],
        "kept": [409, "/problems/in-use"],
    }


@pytest.mark.skipif(generators.PYTHON_MISSING is not None, reason=generators.PYTHON_MISSING or "")
def test_generated_python_client_calls_stocky(served: Served, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_bytes(httpx.get(f"{served.url}/openapi.json", timeout=SECONDS).content)
    # By `--url` it waits five seconds, which a busy machine needs longer.
    generator = [generators.PYTHON / "openapi-python-client", "generate", "--path", document]
    package = tmp_path / "stocky_client"
    options = ["--meta", "none", "--output-path", package, "--config", HERE / "python.yaml", "--fail-on-warning"]
    _run([*generator, *options], tmp_path)
    shutil.copy(HERE / "calls.py", tmp_path)
    result = json.loads(_run([generators.PYTHON / "python", "calls.py"], tmp_path, served.environ))
    assert result == _expected("Python", "4006381333931")


@pytest.mark.skipif(generators.TYPESCRIPT_MISSING is not None, reason=generators.TYPESCRIPT_MISSING or "")
def test_generated_typescript_client_calls_stocky(served: Served, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(generators.NODE_MODULES)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(HERE / "calls.ts", tmp_path)
    programs = tmp_path / "node_modules" / ".bin"
    _run([programs / "openapi-typescript", f"{served.url}/openapi.json", "--output", "schema.ts"], tmp_path)
    # Only what is generated and what calls it is checked: schema.ts and calls.ts.
    options = [
        "--strict",
        "--skipLibCheck",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "--lib",
        "es2022,dom,dom.iterable",
    ]
    _run([programs / "tsc", *options, "calls.ts"], tmp_path)
    result = json.loads(_run(["node", "calls.js"], tmp_path, served.environ))
    assert result == _expected("TypeScript", "5901234123457")
