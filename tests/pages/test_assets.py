"""What is removed of styles and scripts before they are served changes nothing in them."""

from __future__ import annotations

import re

from stocky.pages.assets import DIRECTORY, assets


def test_line_breaks_of_styles_separate_nothing() -> None:
    for file in DIRECTORY.glob("*.css"):
        source = re.sub(r"/\*.*?\*/", "", file.read_text("utf-8"), flags=re.DOTALL)
        lines = [line.strip() for line in source.splitlines() if line.strip()]
        # After any of these, a space has no meaning.
        assert [line for line in lines if line[-1] not in "{};,:"] == []
        assert b"\n" not in assets().files[file.name].content


def test_scripts_keep_their_lines_and_their_code() -> None:
    for file in DIRECTORY.glob("*.js"):
        source = file.read_text("utf-8")
        assert "`" not in re.sub(r"`[^`\n]*`", "", source), f"{file.name} has a text of several lines"
        served = assets().files[file.name].content.decode().splitlines()
        code = [line.lstrip() for line in source.splitlines()]
        assert served == ["" if line.startswith("//") else line for line in code]
