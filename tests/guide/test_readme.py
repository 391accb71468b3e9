"""The README: its commands run as written, against a new Stocky and in an empty directory."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from tests.guide.shell import needs_shell
from tests.people import PASSWORD
from tests.serving import ROOT, Server, environment

README = (ROOT / "README.md").read_text("utf-8")
CALLS = README[README.index("PASSWORD='...'") :].partition("```")[0]
INSTALLED = README[README.index("**Installed:**") :].partition("\n\n")[0]


def _run(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs these lines in bash up to the first that fails."""
    script = "set -euo pipefail\n" + script
    return subprocess.run(
        ["bash"], input=script, capture_output=True, text=True, cwd=directory, timeout=120, check=False
    )


@pytest.mark.slow
@pytest.mark.one_database
@needs_shell
def test_first_calls_work_and_leave_the_example_item_free(
    tmp_path: Path, keys: dict[str, str], serve: Callable[..., AbstractContextManager[Server]]
) -> None:
    with serve() as server:
        calls = CALLS.replace("http://127.0.0.1:8000", server.url)
        done = _run(calls.replace("'...'", f"'{PASSWORD}'"), tmp_path)
        assert done.returncode == 0, (done.stdout, done.stderr, server.log[-3000:])
        assert done.stdout.splitlines()[-2] == "1.0"
        document = httpx.get(f"{server.url}/openapi.json").json()
        example = document["paths"]["/api/v1/items"]["post"]["requestBody"]["content"]["application/json"]["example"]
        made = httpx.post(f"{server.api}/items", json=example, headers={"X-API-Key": keys["admin"]})
        assert made.status_code == 201, made.text
        # The error is reported without a traceback.
        done = _run(calls, tmp_path)
        assert done.returncode != 0
        assert "Incorrect username or password" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_commands_set_up_an_installation(tmp_path: Path) -> None:
    commands = [" ".join(each.split()) for each in re.findall(r"`stocky ([^`]+)`", INSTALLED)]
    assert commands[-1] == "serve"
    for command in commands[:-1]:
        done = subprocess.run(
            [sys.executable, "-m", "stocky", *command.split()],
            input="a password of mine\n", capture_output=True, text=True, cwd=tmp_path, env=environment({}),
            timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stderr)
    assert (tmp_path / "data" / "stocky.db").is_file()
