"""A request whose child process uses many structs for the first time in several threads, as reading copies does."""

from __future__ import annotations

import sys
import threading
from typing import ClassVar

import msgspec

from stocky.progress import ProgressCallback
from stocky.worker.messages import Request

THREADS = 4
# Only structs of Stocky are inspected.
OF_STOCKY = "stocky.worker.messages"


def _struct(number: int) -> type[msgspec.Struct]:
    """One in another: msgspec inspects the inner one in Python, and other threads find the outer half inspected."""
    inner = msgspec.defstruct(f"Inner{number}", [("b", float)], module=OF_STOCKY)
    return msgspec.defstruct(f"Outer{number}", [("a", int), ("inner", inner)], module=OF_STOCKY)


STRUCTS = [_struct(number) for number in range(200)]


class UseTogether(Request, frozen=True):
    """Decode one object of each struct in every thread."""

    entry: ClassVar[str] = "tests.services.threads_of_a_child:use_together"


class Used(msgspec.Struct, frozen=True):
    """How many objects were decoded."""

    objects: int


def use_together(request: UseTogether, report: ProgressCallback) -> Used:
    """Handles a UseTogether."""
    sys.setswitchinterval(1e-6)
    barrier = threading.Barrier(THREADS)
    decoded: list[msgspec.Struct] = []

    def use() -> None:
        for struct in STRUCTS:
            barrier.wait()
            decoded.append(msgspec.json.decode(b'{"a": 1, "inner": {"b": 2.5}}', type=struct))

    threads = [threading.Thread(target=use) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Used(len(decoded))
