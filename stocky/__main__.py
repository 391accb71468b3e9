"""Runs the `stocky` command as `python -m stocky`."""

import sys

from stocky.cli import main

sys.exit(main())
