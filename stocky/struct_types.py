"""Completes what msgspec knows of every struct before several threads of a process use it.

msgspec inspects the fields of a struct at its first use, and two threads whose first uses coincide crash the process.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

# Each with whether anything can be converted to it.
_inspected: dict[type[msgspec.Struct], bool] = {}


def inspect_structs() -> None:
    """Inspects the structs of all modules that are loaded, each once in a process; the first time takes 50 ms."""
    for each in set(_subclasses(msgspec.Struct)).difference(_inspected):
        _inspected[each] = each.__module__.startswith("stocky.") and _can_be_inspected(each)


def _can_be_inspected(struct: type[msgspec.Struct]) -> bool:
    try:
        msgspec.json.Decoder(struct)
    except (TypeError, NameError):
        # It has a field that msgspec cannot read, or of a library's class whose own types are names for checkers only.
        return False
    return True


def _subclasses(of: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for each in of.__subclasses__():
        yield each
        yield from _subclasses(each)
