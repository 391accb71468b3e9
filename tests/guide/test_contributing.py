"""Names written down outside the code exist: the trails of CONTRIBUTING.md, the tests of the smoke."""

from __future__ import annotations

import re

import pytest

from tests.serving import ROOT

STEP = re.compile(r"^(?P<file>[\w/.-]+\.(?:py|sql))(?::(?P<name>\w+))?\s", re.MULTILINE)
STEPS = [match.groups() for match in STEP.finditer((ROOT / "CONTRIBUTING.md").read_text("utf-8"))]


def test_trails_are_found() -> None:
    assert len(STEPS) > 15


@pytest.mark.parametrize(("file", "name"), STEPS)
def test_step_exists(file: str, name: str | None) -> None:
    text = (ROOT / file).read_text("utf-8")
    if name is not None:
        defined = rf"^\s*(?:async def|def|class) {name}\b|^{name}\b.* = |^-- {name} --$"
        assert re.search(defined, text, re.MULTILINE)


def test_tests_of_the_smoke_exist() -> None:
    tests = re.findall(r"^    (tests/[\w/]+\.py)::(\w+)$", (ROOT / ".ci/smoke").read_text("utf-8"), re.MULTILINE)
    assert len(tests) >= 4
    for file, name in tests:
        assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), name
