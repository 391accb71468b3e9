"""Files of the age format for recipients, written and read by pyrage, which streams them.

pyrage reads what it encrypts from a file object, so one thread encrypts what another one writes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Queue
from typing import IO, Any, TypeAlias

import pyrage

from stocky.backup.encryption.passphrase import DAMAGED, Output
from stocky.errors import BadRequest, Locked

_PIECES_WAITING = 4
# What pyrage takes to read a header grows by the square of its length; each recipient takes about 100 bytes.
LONGEST_HEADER = 65_536
END_OF_HEADER = b"\n--- "
_SSH_PRIVATE_KEY = "-----BEGIN"
_SSH_KEYS = ("ssh-ed25519 ", "ssh-rsa ")

# Of pyrage, which has no types: x25519.Recipient or ssh.Recipient, and the same of Identity.
Recipient: TypeAlias = Any
Identity: TypeAlias = Any

WRONG_IDENTITY = (
    "STOCKY_BACKUP_IDENTITY does not open this backup, which is encrypted for other recipients; set an identity of one"
    " of them. Nothing was changed"
)


def parse_recipient(text: str) -> Recipient:
    """Raises ValueError for anything but a public key of age or SSH."""
    kind = pyrage.ssh.Recipient if text.startswith(_SSH_KEYS) else pyrage.x25519.Recipient
    try:
        return kind.from_str(text)
    except pyrage.RecipientError as error:
        raise ValueError(str(error)) from error


def parse_identities(text: str) -> list[Identity]:
    """The identities in the text of an age identity file, or of an SSH private key. Raises ValueError without one."""
    try:
        if text.lstrip().startswith(_SSH_PRIVATE_KEY):
            return [pyrage.ssh.Identity.from_buffer(f"{text.strip()}\n".encode())]
        lines = [line.strip() for line in text.splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError as error:
        raise ValueError(str(error)) from error
    if not found:
        raise ValueError("it has no identity")
    return found


def opens(recipients: tuple[str, ...], identity: str) -> bool:
    """Whether the identity opens what is encrypted for the recipients."""
    sample = pyrage.encrypt(b"stocky", [parse_recipient(each) for each in recipients])
    try:
        return bool(pyrage.decrypt(sample, parse_identities(identity)) == b"stocky")
    except pyrage.DecryptError:
        return False


class RecipientsWriter:
    """Encrypts what is written to it into `target`; without `close`, the result is a truncated file."""

    def __init__(self, target: Output, recipients: tuple[str, ...]) -> None:
        self._target = target
        self._recipients = [parse_recipient(each) for each in recipients]
        self._pieces: Queue[bytes | None] = Queue(_PIECES_WAITING)
        self._is_aborted = False
        self._is_read = False
        self._rest = memoryview(b"")
        self._error: BaseException | None = None
        # Started with the first piece: what fails before the first row has written nothing.
        self._thread = threading.Thread(target=self._encrypt, daemon=True)
        self._is_started = False

    def write(self, data: bytes) -> int:
        """Passes a piece to the thread. Raises the OSError of an earlier write."""
        if self._error is not None:
            raise self._error
        self._start()
        self._pieces.put(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Does nothing: an incomplete chunk cannot be written yet."""

    def close(self) -> None:
        """Waits until all is written, which makes the file complete. Raises the OSError of a write."""
        self._start()
        self._pieces.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def abort(self) -> None:
        """Leaves the file truncated, which any reader finds."""
        self._is_aborted = True
        if self._is_started:
            self._pieces.put(None)
            self._thread.join()

    def _start(self) -> None:
        if not self._is_started:
            self._is_started = True
            self._thread.start()

    def _encrypt(self) -> None:
        try:
            pyrage.encrypt_io(_Source(self._read), _Sink(self._write), self._recipients)
        except BaseException as error:  # noqa: BLE001 - raised by the thread that writes; a panic of Rust is no Exception
            # pyrage replaces the error of a write by its own, without its number.
            self._error = self._error or error
        while not self._is_read:
            self._is_read = self._pieces.get() is None

    def _read(self, size: int) -> bytes:
        while not self._rest and not self._is_read:
            piece = self._pieces.get()
            if piece is None:
                self._is_read = True
                if self._is_aborted:
                    raise OSError("The backup was not finished")
            else:
                self._rest = memoryview(piece)
        taken, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return taken

    def _write(self, data: bytes) -> None:
        try:
            self._target.write(data)
        except OSError as error:
            self._error = error
            raise


def decrypt_with_identity(source: IO[bytes], target: Output, identity: str) -> None:
    """Writes the content of `source` to `target`.

    Raises Locked for another identity, BadRequest for a damaged or truncated file; then what was written so far is to
    be thrown away.
    """
    start = source.tell()
    if END_OF_HEADER not in source.read(LONGEST_HEADER):
        raise BadRequest(DAMAGED)
    source.seek(start)
    failed: list[OSError] = []

    def write(data: bytes) -> None:
        try:
            target.write(data)
        except OSError as error:
            failed.append(error)
            raise

    try:
        pyrage.decrypt_io(source, _Sink(write), parse_identities(identity))
    except (pyrage.DecryptError, OSError) as error:
        if failed:
            raise failed[0] from None
        if isinstance(error, pyrage.DecryptError) and "No matching keys" in str(error):
            raise Locked(WRONG_IDENTITY) from error
        raise BadRequest(DAMAGED) from error


class _Source:
    """A file object for pyrage to read from."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read


class _Sink:
    """A file object for pyrage to write to."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take

    def write(self, data: bytes) -> int:
        self._take(data)
        return len(data)

    def flush(self) -> None:
        """Does nothing: the target is flushed by its owner."""
