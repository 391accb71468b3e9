"""Which backups belong together: an increment is restored with its parents, back to the base of its chain.

A parent is known by the SHA-256 of its file, which a copy under another name has, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, Self, TypeVar


class Link(Protocol):
    """A backup, as far as chains are concerned; `parent_sha256` is None for one that needs no other."""

    id: str
    filename: str
    sha256: str | None
    parent_sha256: str | None
    problems: list[str]


class Copy(Link, Protocol):
    """A backup that a problem can be added to."""

    def with_problem(self, problem: str) -> Self:
        """The same with one more problem."""


T = TypeVar("T", bound=Link)
C = TypeVar("C", bound=Copy)


def parents_of(backup: T, backups: Iterable[T]) -> list[T]:
    """The parents of an increment among the backups, its own first; the last is the base unless one is missing."""
    return _parents(backup, _by_sha256(backups))


def children_of(backup: T, backups: Iterable[T]) -> list[T]:
    """The increments that cannot be restored without this backup, in the order of `backups`.

    None when another file has the same content.
    """
    backups = list(backups)
    found = _by_sha256(backups)
    return [each for each in backups if any(parent.id == backup.id for parent in _parents(each, found))]


def without_needed(removed: list[T], backups: list[T]) -> list[T]:
    """Those of the backups to be removed that no other of the backups needs."""
    ids = {each.id for each in removed}
    needed = {each.id for each in needed_by((each for each in backups if each.id not in ids), backups)}
    return [each for each in removed if each.id not in needed]


def needed_by(chosen: Iterable[T], backups: Iterable[T]) -> list[T]:
    """The parents of the chosen backups; some may be twice."""
    found = _by_sha256(backups)
    return [parent for each in chosen for parent in _parents(each, found)]


def with_chain_problems(backups: list[C]) -> list[C]:
    """The backups, of which an increment without all of its parents has that as a problem.

    None has while there is a file of unknown content, as one copied in by hand: that may be what is missing.
    """
    if any(each.sha256 is None for each in backups):
        return backups
    found = _by_sha256(backups)
    return [_with_chain_problem(each, found) for each in backups]


def _with_chain_problem(backup: C, found: dict[str, C]) -> C:
    if backup.parent_sha256 is None:
        return backup
    last = [backup, *_parents(backup, found)][-1]
    if last.parent_sha256 is None:
        return backup
    return backup.with_problem(f"{last.filename} is an increment, and the backup that it continues is missing")


def _by_sha256(backups: Iterable[T]) -> dict[str, T]:
    return {each.sha256: each for each in backups if each.sha256 is not None}


def _parents(backup: T, found: dict[str, T]) -> list[T]:
    return list(_follow(backup, found))


def _follow(backup: T, found: dict[str, T]) -> Iterator[T]:
    seen = {backup.id}
    while backup.parent_sha256 is not None and (parent := found.get(backup.parent_sha256)) is not None:
        # Metadata that someone edited may lead in a circle.
        if parent.id in seen:
            return
        seen.add(parent.id)
        yield parent
        backup = parent
