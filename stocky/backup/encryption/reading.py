"""Decrypts a backup in a child process before it is read, to a file in a private scratch directory."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import IO, ClassVar

import msgspec

from stocky.backup.dump.making import open_owner_only
from stocky.backup.encryption.format import SUFFIX, Method, method_of_file
from stocky.backup.encryption.settings import EncryptionSettings, missing_package
from stocky.disk import require_space
from stocky.errors import BadRequest, Locked
from stocky.progress import ProgressCallback
from stocky.worker.messages import Request
from stocky.worker.process import run_worker


class DecryptRequest(Request, frozen=True, kw_only=True):
    """Decrypt the encrypted `file` to the new file `output`."""

    entry: ClassVar[str] = "stocky.backup.encryption.reading:decrypt"
    file: str
    output: str
    keys: EncryptionSettings


class Decrypted(msgspec.Struct, frozen=True):
    """A decrypted file."""

    size_bytes: int


class FitsRequest(Request, frozen=True, kw_only=True):
    """Try the passphrase in `keys` on the encrypted `file`."""

    entry: ClassVar[str] = "stocky.backup.encryption.reading:fits_passphrase"
    file: str
    keys: EncryptionSettings


class Fits(msgspec.Struct, frozen=True):
    """Whether it opens the file."""

    is_right: bool


async def open_encrypted(
    file: Path, directory: Path, keys: EncryptionSettings | None, passphrase: str | None, report: ProgressCallback
) -> Path:
    """The file itself if it is not encrypted; otherwise its content, decrypted to a file in `directory`.

    `passphrase` takes the place of the one in `keys`. Raises Locked without the key, or with a wrong one, BadRequest
    for a damaged file, OutOfSpace.
    """
    method = await asyncio.to_thread(method_of_file, file)
    if method is None:
        return file
    keys = keys or EncryptionSettings()
    if passphrase:
        keys = msgspec.structs.replace(keys, passphrase=passphrase)
    if (missing := locked_by(method, keys)) is not None:
        raise Locked(f"This backup is encrypted, and {missing}", field="passphrase" if method == "passphrase" else None)
    output = directory / f"decrypted{Path(file.name.removesuffix(SUFFIX)).suffix}"
    await run_worker(DecryptRequest(file=str(file), output=str(output), keys=keys), Decrypted, report)
    return output


def locked_by(method: Method | None, keys: EncryptionSettings | None) -> str | None:
    """What is missing to open a backup that is encrypted by this method; None where nothing is, as far as known."""
    if method is None:
        return None
    if (missing := missing_package()) is not None:
        return missing
    if method == "passphrase" and not (keys and keys.passphrase):
        # Not "set it": beside recipients it must not be set.
        return (
            "STOCKY_BACKUP_PASSPHRASE is not set; upload the file with its passphrase, or restore it on the command"
            " line with --passphrase-file"
        )
    if method == "recipients" and not (keys and keys.identity):
        return "STOCKY_BACKUP_IDENTITY is not set; set it to an identity that the backup is encrypted for"
    return None


async def is_opened_by(file: Path, keys: EncryptionSettings, report: ProgressCallback) -> bool:
    """Whether the passphrase in `keys` opens a file that is encrypted with one; only its first lines are read.

    In a child process, since it takes memory.
    """
    return (await run_worker(FitsRequest(file=str(file), keys=keys), Fits, report)).is_right


def fits_passphrase(request: FitsRequest, report: ProgressCallback) -> Fits:
    """Handles a FitsRequest. A file that is damaged or gone is not opened."""
    from stocky.backup.encryption.passphrase import fits

    with suppress(BadRequest, OSError), open(request.file, "rb") as file:
        return Fits(fits(file, request.keys.passphrase))
    return Fits(is_right=False)


def decrypt(request: DecryptRequest, report: ProgressCallback) -> Decrypted:
    """Handles a DecryptRequest. Raises what the readers of both methods do, and OutOfSpace."""
    file, output = Path(request.file), Path(request.output)
    size = file.stat().st_size
    require_space(output.parent, size)
    method = method_of_file(file)
    with file.open("rb") as source, open(output, "wb", opener=open_owner_only) as target:
        counted = _Counted(target, size, report)
        if method == "passphrase":
            from stocky.backup.encryption.passphrase import decrypt_with_passphrase

            decrypt_with_passphrase(source, counted, request.keys.passphrase)
        else:
            from stocky.backup.encryption.recipients import decrypt_with_identity

            decrypt_with_identity(source, counted, request.keys.identity)
        return Decrypted(counted.done)


class _Counted:
    """Reports how much was written."""

    def __init__(self, target: IO[bytes], total: int, report: ProgressCallback) -> None:
        self.done = 0
        self._target = target
        self._total = total
        self._report = report

    def write(self, data: bytes) -> None:
        self._target.write(data)
        self.done += len(data)
        self._report("decrypting", min(self.done, self._total), self._total, "bytes")
