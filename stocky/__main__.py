"""`python -m stocky` is the same as `stocky`."""

import sys

from stocky.cli import main

sys.exit(main())
