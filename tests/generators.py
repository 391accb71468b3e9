"""The programs that generate clients from the OpenAPI document, installed apart from Stocky by `make clients`."""

from __future__ import annotations

import shutil

from tests.serving import ROOT

_HERE = ROOT / ".venv" / "clients"
PYTHON = _HERE / "bin"
NODE_MODULES = _HERE / "node_modules"
_HOW = "`make clients` installs it"

# Why a client in a language cannot be tested; None if it can.
PYTHON_MISSING = (
    None if (PYTHON / "openapi-python-client").exists() else f"openapi-python-client is not installed; {_HOW}"
)
TYPESCRIPT_MISSING = (
    "Node.js is not installed, which runs a TypeScript client"
    if shutil.which("node") is None
    else None
    if (_HERE / "installed.json").exists()
    else f"openapi-typescript is not installed; {_HOW}"
)
MISSING = [each for each in (PYTHON_MISSING, TYPESCRIPT_MISSING) if each is not None]
