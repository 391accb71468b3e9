"""Installations whose backups are encrypted, with a passphrase and for recipients."""

from __future__ import annotations

import pytest

from tests.encryption.keys import BY_PASSPHRASE, FOR_RECIPIENTS


@pytest.fixture(params=["passphrase", "recipients"])
def encryption(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of each method, for tests that run with both."""
    return BY_PASSPHRASE if request.param == "passphrase" else FOR_RECIPIENTS
