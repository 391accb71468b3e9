"""Which backups belong together: an increment is restored with its parents, back to the base of its chain.

A parent is known by the SHA-256 of its file, which a copy under another name has, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, Self, TypeVar


class Link(Protocol):
    """A backup, as far as chains are concerned; `parent_sha256` is None for one that needs no other.

    `base_sha256` is that of the start of its chain, None where that is not known.
    """

    id: str
    filename: str
    sha256: str | None
    parent_sha256: str | None
    base_sha256: str | None
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


def is_complete(backup: T, backups: Iterable[T]) -> bool:
    """Whether the backups have all parents of the backup; one that is no increment needs none."""
    return _is_complete(backup, parents_of(backup, backups))


def complete(backups: list[T]) -> list[T]:
    """Those of the backups whose parents are all among them."""
    found = _by_sha256(backups)
    return [each for each in backups if _is_complete(each, _parents(each, found))]


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


def parents_first(chosen: list[T], backups: Iterable[T]) -> list[T]:
    """The chosen ones of the backups in their order, but each after its parents."""
    found = _by_sha256(backups)
    ids = {each.id for each in chosen}
    ordered = (link for each in chosen for link in (*reversed(_parents(each, found)), each))
    return list({link.id: link for link in ordered if link.id in ids}.values())


def with_chain_problems(backups: list[C]) -> list[C]:
    """The backups, of which an increment has what is wrong with its chain as a problem.

    That is a parent that is missing, or that does not restore.
    """
    found = _by_sha256(backups)
    return [_with_chain_problem(each, _parents(each, found)) for each in backups]


def _with_chain_problem(backup: C, parents: list[C]) -> C:
    last = [backup, *parents][-1]
    if last.parent_sha256 is not None:
        return backup.with_problem(f"{last.filename} is an increment, and the backup that it continues is missing")
    if not _is_complete(backup, parents):
        # A file that was copied in by hand tells what it continues when it is read.
        return backup.with_problem(f"What {last.filename} continues is not known; test-restore that")
    if (broken := next((each for each in parents if each.problems), None)) is not None:
        return backup.with_problem(f"It continues {broken.filename}, which does not restore")
    return backup


def _is_complete(backup: T, parents: list[T]) -> bool:
    last = [backup, *parents][-1]
    return last.parent_sha256 is None and backup.base_sha256 in (None, last.sha256)


def _by_sha256(backups: Iterable[T]) -> dict[str, T]:
    """Of those with the same content one without problems; of these the last."""
    found: dict[str, T] = {}
    for each in backups:
        if each.sha256 is not None and not (each.problems and each.sha256 in found):
            found[each.sha256] = each
    return found


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
