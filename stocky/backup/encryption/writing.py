"""Encrypts a backup while it is written; one that was not finished is never a complete encrypted file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from stocky.backup.encryption.settings import EncryptionSettings

if TYPE_CHECKING:
    from stocky.backup.encryption.passphrase import PassphraseWriter
    from stocky.backup.encryption.recipients import RecipientsWriter


@contextmanager
def encrypting(file: IO[bytes], keys: EncryptionSettings | None) -> Iterator[IO[bytes]]:
    """Yields what to write the content to: the file itself where new backups are not encrypted.

    After an exception the file is truncated, so that no reader takes it for complete.
    """
    if keys is None or keys.method is None:
        yield file
        return
    writer = _writer(file, keys)
    try:
        # A zip file and a dump only write and flush it.
        yield cast(IO[bytes], writer)
    except BaseException:
        writer.abort()
        raise
    writer.close()


def _writer(file: IO[bytes], keys: EncryptionSettings) -> PassphraseWriter | RecipientsWriter:
    # Both need packages of an extra.
    if keys.method == "passphrase":
        from stocky.backup.encryption.passphrase import PassphraseWriter

        return PassphraseWriter(file, keys.passphrase)
    from stocky.backup.encryption.recipients import RecipientsWriter

    return RecipientsWriter(file, keys.recipients)


def size_and_sha256(file: Path) -> tuple[int, str]:
    """Of a file as it is on disk. Blocks."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return opened.tell(), digest
