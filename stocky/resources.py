"""Finds the SQL and migration files that ship with Stocky, installed or in a clone."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """The directory `name` ("sql", "migrations"): inside the package when installed, beside it in a clone.

    Raises FileNotFoundError when the installation is incomplete.
    """
    for directory in (_PACKAGE / name, _PACKAGE.parent / name):
        if directory.is_dir():
            return directory
    raise FileNotFoundError(f"Stocky's {name!r} directory is missing; install Stocky again")
