"""Files of the age format (age-encryption.org/v1) that a passphrase opens, written and read in chunks.

The package pyrage does this only for contents in memory, and takes up to 1 GiB to derive a key; so the one stanza and
the payload are written here, with the primitives of cryptography; a test opens them with pyrage.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from typing import IO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stocky.backup.encryption.format import INTRO, PASSPHRASE_STANZA
from stocky.errors import BadRequest, Locked

# The base-2 logarithm of scrypt's cost: 128 MiB, and a third of a second.
WORK_FACTOR = 17
# 1 GiB; the header of a file decides how much memory reading it takes.
LARGEST_WORK_FACTOR = 20
CHUNK = 65_536
_BLOCK_SIZE = 8
_TAG = 16
_NONCE = 16
_SALT_LABEL = b"age-encryption.org/v1/scrypt"
_LONGEST_LINE = 128
_HEADER = re.compile(
    re.escape(INTRO + PASSPHRASE_STANZA)
    + rb"([A-Za-z0-9+/]{22}) ([1-9][0-9]?)\n([A-Za-z0-9+/]{43})\n--- ([A-Za-z0-9+/]{43})\n"
)

DAMAGED = "The encrypted backup is damaged or truncated. Download or copy it again, or use another backup"
WRONG_PASSPHRASE = (
    "The passphrase does not open this backup; use the one that it was encrypted with. Nothing was changed"
)


class Output(Protocol):
    """A target for bytes."""

    def write(self, data: bytes, /) -> object: ...


class PassphraseWriter:
    """Encrypts what is written to it into `target`; without `close`, the result is a truncated file."""

    def __init__(self, target: Output, passphrase: str) -> None:
        self._target = target
        file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(_NONCE)
        wrapped = ChaCha20Poly1305(_wrap_key(passphrase, salt, WORK_FACTOR)).encrypt(bytes(12), file_key, None)
        head = INTRO + PASSPHRASE_STANZA + b"%b %d\n%b\n---" % (_encode(salt), WORK_FACTOR, _encode(wrapped))
        # Written with the first chunk: what fails before the first row has written nothing.
        self._head = head + b" " + _encode(_mac(file_key, head)) + b"\n" + nonce
        self._cipher = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
        self._waiting = bytearray()
        self._number = 0

    def write(self, data: bytes) -> int:
        """Encrypts all full chunks but the last, since that one is marked."""
        self._waiting += data
        end = (len(self._waiting) - 1) // CHUNK * CHUNK
        if end > 0:
            with memoryview(self._waiting) as view:
                for start in range(0, end, CHUNK):
                    self._put(bytes(view[start : start + CHUNK]), is_last=False)
            del self._waiting[:end]
        return len(data)

    def flush(self) -> None:
        """Does nothing: an incomplete chunk cannot be written yet."""

    def close(self) -> None:
        """Writes the last chunk, which makes the file complete."""
        self._put(bytes(self._waiting), is_last=True)

    def abort(self) -> None:
        """Leaves the file truncated, which any reader finds."""

    def _put(self, chunk: bytes, *, is_last: bool) -> None:
        encrypted = self._cipher.encrypt(_chunk_nonce(self._number, is_last=is_last), chunk, None)
        self._target.write(encrypted if self._number else self._head + encrypted)
        self._number += 1


def decrypt_with_passphrase(source: IO[bytes], target: Output, passphrase: str) -> None:
    """Writes the content of `source` to `target`.

    Raises Locked for another passphrase, BadRequest for a damaged or truncated file; then what was written so far is
    to be thrown away.
    """
    file_key = _open_header(_read_header(source), passphrase)
    cipher = ChaCha20Poly1305(_derive(file_key, source.read(_NONCE), b"payload"))
    number, chunk = 0, source.read(CHUNK + _TAG)
    while True:
        following = source.read(CHUNK + _TAG)
        try:
            content = cipher.decrypt(_chunk_nonce(number, is_last=not following), chunk, None)
        except InvalidTag as error:
            raise BadRequest(DAMAGED) from error
        if not content and number:
            # Only an empty file has an empty last chunk.
            raise BadRequest(DAMAGED)
        target.write(content)
        if not following:
            return
        number, chunk = number + 1, following


def fits(source: IO[bytes], passphrase: str) -> bool:
    """Whether the passphrase opens this file. Raises BadRequest for a damaged one."""
    try:
        _open_header(_read_header(source), passphrase)
    except Locked:
        return False
    return True


def _read_header(source: IO[bytes]) -> bytes:
    return b"".join(source.readline(_LONGEST_LINE) for _ in range(4))


def _open_header(header: bytes, passphrase: str) -> bytes:
    """The key of the file. Raises Locked or BadRequest."""
    match = _HEADER.fullmatch(header)
    if match is None:
        raise BadRequest(DAMAGED)
    salt, wrapped, mac = (_decode(match[number]) for number in (1, 3, 4))
    work_factor = int(match[2])
    if work_factor > LARGEST_WORK_FACTOR:
        raise BadRequest(
            "To check the passphrase of this backup takes more than 1 GiB of memory; decrypt it with 'age -d', and use"
            " the result"
        )
    try:
        file_key = ChaCha20Poly1305(_wrap_key(passphrase, salt, work_factor)).decrypt(bytes(12), wrapped, None)
    except InvalidTag as error:
        raise Locked(WRONG_PASSPHRASE, field="passphrase") from error
    if not hmac.compare_digest(_mac(file_key, header[: match.start(4) - 1]), mac):
        raise BadRequest(DAMAGED)
    return file_key


def _wrap_key(passphrase: str, salt: bytes, work_factor: int) -> bytes:
    cost = 2**work_factor
    memory = 128 * _BLOCK_SIZE * (cost + 2) + 2**20
    return hashlib.scrypt(
        passphrase.encode(), salt=_SALT_LABEL + salt, n=cost, r=_BLOCK_SIZE, p=1, maxmem=memory, dklen=32
    )


def _derive(file_key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(file_key)


def _mac(file_key: bytes, head: bytes) -> bytes:
    return hmac.digest(_derive(file_key, b"", b"header"), head, "sha256")


def _chunk_nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _encode(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    """Raises BadRequest where the unused bits of the last character are not zero: age refuses that as well."""
    decoded = base64.b64decode(text + b"=" * (-len(text) % 4))
    if _encode(decoded) != text:
        raise BadRequest(DAMAGED)
    return decoded
