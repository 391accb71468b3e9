"""A line to a server that a test can cut, hold, disturb or lead to another server: a TCP proxy in threads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_READ = 65_536


class Line:
    """The line to a server. The test sets what is wrong with it; `url` and `port` are its near end."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: set[tuple[socket.socket, socket.socket]] = set()
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        # Every connection is cut once this many bytes were sent through all of them.
        self.cut_after: int | None = None
        # Nothing passes once this many bytes were sent, until `go_on` is set.
        self.hold_after: int | None = None
        self.go_on = threading.Event()
        self.is_holding = threading.Event()
        # One byte of each long answer is changed.
        self.is_disturbed = False
        self.sent = 0

    def listen(self) -> None:
        """Takes connections until the listener is closed."""
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            self._connections.add((near, far))
            threading.Thread(target=self._send, args=(near, far), daemon=True).start()
            threading.Thread(target=self._receive, args=(near, far), daemon=True).start()

    def lead_to(self, port: int) -> None:
        """New connections lead to this port; the others stay."""
        self._target = ("127.0.0.1", port)

    def cut(self) -> None:
        """Ends all connections."""
        for near, far in list(self._connections):
            self._end(near, far)

    def close(self) -> None:
        self.go_on.set()
        # Wakes the thread in accept().
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _send(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(_READ):
                self.sent += len(data)
                if self.cut_after is not None and self.sent > self.cut_after:
                    break
                if self.hold_after is not None and self.sent > self.hold_after:
                    self.is_holding.set()
                    self.go_on.wait()
                far.sendall(data)
        self._end(near, far)

    def _receive(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            received = 0
            while data := far.recv(_READ):
                # Past the headers.
                if self.is_disturbed and received < 4 * _READ <= received + len(data):
                    data = data[:-1] + bytes([data[-1] ^ 1])
                received += len(data)
                near.sendall(data)
        self._end(near, far)

    def _end(self, near: socket.socket, far: socket.socket) -> None:
        self._connections.discard((near, far))
        for each in (near, far):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def line_to(target: str) -> Iterator[Line]:
    """A line that works until the test says otherwise."""
    line = Line(target)
    threading.Thread(target=line.listen, daemon=True).start()
    try:
        yield line
    finally:
        line.close()
