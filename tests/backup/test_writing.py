"""The writer of dumps: its thread keeps the order, reports failures early, and ends with the context."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import threading
import time
from typing import TYPE_CHECKING

import pytest

from stocky.backup.dump.format import read_footer
from stocky.backup.dump.writing import Writer
from tests.backup.test_dump import ignore_progress

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LINES = b'INSERT INTO "item" VALUES(1);\n' * 1_000


class Target(io.BytesIO):
    """Counts writes; each waits until `opened` is set, and fails once `failure` is."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.opened = threading.Event()
        self.opened.set()
        self.failure: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        self.opened.wait()
        self.writes += 1
        if self.failure is not None:
            raise self.failure
        return super().write(data)


def begun(writer: Writer) -> Writer:
    writer.begin("sqlite", 1, {"item": 100_000})
    return writer


def add_rows(writer: Writer, chunks: int) -> None:
    for _ in range(chunks):
        writer.write_rows("item", LINES, 1_000)


def test_text_is_written_and_hashed_in_order() -> None:
    target = Target()
    with begun(Writer(target, ignore_progress)) as writer:
        rows = b""
        for number in range(100):
            lines = b'INSERT INTO "item" VALUES(%d);\n' % number * 1_000
            writer.write_rows("item", lines, 1_000)
            rows += lines
        writer.write("COMMIT;\n")
        result = writer.finish()
    before, last = gzip.decompress(target.getvalue()).rsplit(b"\n", 2)[:2]
    assert before.endswith(rows + b"COMMIT;")
    assert read_footer(last.decode()) == result.footer
    assert result.footer.tables["item"].rows == 100_000
    assert result.footer.tables["item"].sha256 == hashlib.sha256(rows).hexdigest()
    assert result.footer.sha256 == hashlib.sha256(before + b"\n").hexdigest()


def test_failed_write_is_raised_while_rows_are_added() -> None:
    target = Target()
    with begun(Writer(target, ignore_progress)) as writer:
        target.failure = OSError(errno.ENOSPC, "full")
        with pytest.raises(OSError, match="full"):
            add_rows(writer, 10)


def test_reader_waits_for_a_slow_target() -> None:
    target = Target()
    with begun(Writer(target, ignore_progress)) as writer:
        target.opened.clear()
        adding = threading.Thread(target=add_rows, args=(writer, 10))
        adding.start()
        adding.join(0.5)
        was_waiting = adding.is_alive()
        target.opened.set()
        adding.join()
        assert was_waiting
        assert writer.finish().footer.rows == 10_000


def test_nothing_is_written_after_the_context() -> None:
    target = Target()
    with begun(Writer(target, ignore_progress)) as writer:
        target.opened.clear()
        add_rows(writer, 2)
        threading.Timer(0.2, target.opened.set).start()
    written = target.writes
    time.sleep(0.3)
    assert target.writes == written
