"""The keys of names: equal for names that count as one, whatever their case and blanks."""

from __future__ import annotations


def name_key(name: str) -> str:
    """The key of a name; folded here, since the dialects fold case differently."""
    return " ".join(name.split()).casefold()
