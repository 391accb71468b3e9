"""The listening socket: IPv4 and IPv6 together, or a unix socket. A socket that is in use is never removed."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stocky.config import Config

BACKLOG = 2048
# Owner and group may connect, so the proxy's user needs to be in the group.
_SOCKET_UMASK = 0o117
_EVERYWHERE = ("::", "*")
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


@contextmanager
def listening(config: Config) -> Iterator[socket.socket]:
    """The listening socket for the block. Clients that connect before Stocky is ready wait in its backlog.

    Raises OSError with a message for the operator.
    """
    if config.uds is not None:
        with _listening_on_unix(config.uds) as listener:
            yield listener
    else:
        with _listen(config.host, config.port) as listener:
            yield listener


def address_of(listener: socket.socket, *, is_tls: bool = False) -> str:
    """The address of a listening socket, as in `http://127.0.0.1:8000` or `unix:/run/stocky.sock`."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    scheme = "https" if is_tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    try:
        if host in _EVERYWHERE and (both := _listen_on_both(port)) is not None:
            return both
        if host in _EVERYWHERE:
            host = "0.0.0.0"  # noqa: S104 - the settings ask for every address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise OSError(
            f"Cannot listen on {host} port {port}: {error.strerror or error};"
            " choose another with --host and --port or STOCKY_HOST and STOCKY_PORT"
        ) from error


def _listen_on_both(port: int) -> socket.socket | None:
    """One socket for IPv6 and IPv4; None where this machine has no IPv6."""
    if not socket.has_dualstack_ipv6():
        return None
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    except OSError as error:
        if error.errno in _NO_IPV6:
            return None
        raise


@contextmanager
def _listening_on_unix(path: Path) -> Iterator[socket.socket]:
    try:
        listener = _listen_on_unix(path)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"STOCKY_UDS: cannot listen on {path}: {reason}; choose another path") from error
    made = path.stat().st_ino
    try:
        with listener:
            yield listener
    finally:
        # Another Stocky may have replaced it with its own.
        with suppress(FileNotFoundError):
            if path.stat().st_ino == made:
                path.unlink()


def _listen_on_unix(path: Path) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # A umask, since a chmod after bind would leave a moment in which anyone can connect.
    umask = os.umask(_SOCKET_UMASK)
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(umask)
    return listener


def _remove_stale(path: Path) -> None:
    """Removes the socket of a killed server. Raises OSError for any other existing file."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "a file of this name exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise OSError(errno.EADDRINUSE, "another program listens on it")
