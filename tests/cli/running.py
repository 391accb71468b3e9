"""Runs the `stocky` command as a process, with only the settings that a test passes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.cli import preloaded
from tests.serving import ROOT

COMMAND_SECONDS = 60


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The process environment with only the Stocky settings in `environ`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STOCKY_")}
    return inherited | {"PYTHONPATH": str(ROOT)} | dict(environ)


def stocky(environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m stocky …`, run to its end."""
    if all(name.startswith("STOCKY_") for name in environ):
        return preloaded.run(arguments, environment(environ), COMMAND_SECONDS)
    # Other variables may matter before Python has started.
    return subprocess.run(
        [sys.executable, "-m", "stocky", *arguments],
        env=environment(environ),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
