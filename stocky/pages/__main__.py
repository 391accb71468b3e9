"""`python -m stocky.pages` compiles the templates, as `pip install` compiles modules; see `bytecode`."""

from __future__ import annotations

import sys

from stocky.pages.languages import ENGLISH
from stocky.pages.rendering import load_templates

if __name__ == "__main__":
    # This command writes bytecode even where PYTHONDONTWRITEBYTECODE forbids it for modules.
    sys.dont_write_bytecode = False
    load_templates("", ENGLISH)
