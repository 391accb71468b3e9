"""What the guides are typed into: bash, whose lines call curl."""

from __future__ import annotations

import shutil

import pytest

# Who installs Stocky without them can still run every other test.
needs_shell = pytest.mark.skipif(
    not shutil.which("curl") or not shutil.which("bash"), reason="curl or bash is not installed here"
)
