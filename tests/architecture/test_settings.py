"""The README's table lists exactly the settings."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import ROOT, modules

README = (ROOT / "README.md").read_text("utf-8")
ROW = re.compile(r"^\| `(?P<name>STOCKY_\w+)`(?: \(`(?P<platform>\w+)`\))? \|", re.MULTILINE)


# The methods of EnvironmentReader that do not read a setting.
NOT_READING = ("given_as", "parsed")


def _settings() -> dict[str, tuple[str | None, bool]]:
    """The settings that are read, with the platform's name for each and whether it is a secret."""
    found = {}
    readers = [tree for name, tree in modules().items() if name == "stocky.config" or name.endswith(".settings")]
    for node in (node for tree in readers for node in ast.walk(tree)):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            if isinstance(node.func, ast.Attribute) and node.func.attr in NOT_READING:
                continue
            name = node.args[0].value
            if isinstance(name, str) and re.fullmatch(r"STOCKY_[A-Z0-9_]+", name):
                more = {each.arg: ast.literal_eval(each.value) for each in node.keywords}
                found[name] = (more.get("platform"), more.get("secret", False))
    return found


def test_readme_lists_exactly_the_settings() -> None:
    listed = {row["name"]: row["platform"] for row in ROW.finditer(README)}
    assert listed == {name: platform for name, (platform, _) in _settings().items()}


def test_readme_marks_settings_with_a_file_variant() -> None:
    listed = set(re.findall(r"`(STOCKY_\w+)_FILE`", README))
    assert listed == {name for name, (_, is_secret) in _settings().items() if is_secret}
