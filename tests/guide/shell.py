"""The guide tests run in bash and call curl."""

from __future__ import annotations

import shutil

import pytest

# All other tests run without them.
needs_shell = pytest.mark.skipif(
    not shutil.which("curl") or not shutil.which("bash"), reason="curl or bash is not installed here"
)
