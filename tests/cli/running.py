"""Runs the `stocky` command as a process, with only the settings that a test passes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.serving import ROOT


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The process environment with only the Stocky settings in `environ`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STOCKY_")}
    return inherited | {"PYTHONPATH": str(ROOT)} | dict(environ)


def stocky(environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m stocky …`, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "stocky", *arguments],
        env=environment(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
