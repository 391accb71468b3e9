"""Which location a text names: its path, or else a name that no other active location has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from stocky.names import name_key

# The paths that a message names.
_SHOWN = 5


class Named(Protocol):
    """A location with its name and its path."""

    @property
    def id(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str: ...


T = TypeVar("T", bound=Named)


class AmbiguousName(Exception):
    """Several locations have the name; the message lists their paths."""


class LocationNames(Generic[T]):
    """Some active locations by what names them.

    A path as it is written comes before one that differs in case, and of two such duplicates the older one.
    """

    def __init__(self, locations: Iterable[T]) -> None:
        self._by_text: dict[str, T] = {}
        self._by_path: dict[str, list[T]] = defaultdict(list)
        self._by_name: dict[str, list[T]] = defaultdict(list)
        for each in sorted(locations, key=lambda location: location.id):
            self.add(each)

    def add(self, location: T) -> None:
        self._by_text.setdefault(location.path, location)
        self._by_path[name_key(location.path)].append(location)
        self._by_name[name_key(location.name)].append(location)

    def find(self, text: str) -> T | None:
        """The location that the text names. Raises AmbiguousName."""
        at = self.at(text)
        return at if at is not None else self._only(text, self._by_name.get(name_key(text), []))

    def at(self, path: str) -> T | None:
        """The location at this path. Raises AmbiguousName where several differ from it in case only."""
        exactly = self._by_text.get(path)
        return exactly if exactly is not None else self._only(path, self._by_path.get(name_key(path), []))

    def _only(self, text: str, found: list[T]) -> T | None:
        if len(found) > 1:
            paths = sorted(repr(each.path) for each in found)
            more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
            raise AmbiguousName(
                f"{text!r} names {len(paths)} locations: {', '.join(paths[:_SHOWN])}{more}; use the path of one of them"
            )
        return found[0] if found else None
