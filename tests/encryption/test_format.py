"""Encrypted files are in the age format: pyrage reads what Stocky writes, and damage is found."""

from __future__ import annotations

import io
import random
import re
import string
import threading

import pyrage
import pytest

from stocky.backup.encryption import passphrase
from stocky.backup.encryption.format import INTRO, method_of
from stocky.backup.encryption.passphrase import CHUNK, WORK_FACTOR, decrypt_with_passphrase
from stocky.backup.encryption.recipients import LONGEST_HEADER, decrypt_with_identity
from stocky.backup.encryption.settings import EncryptionSettings
from stocky.backup.encryption.writing import encrypting
from stocky.errors import BadRequest, Locked, StockyError
from tests.encryption.keys import IDENTITY, OTHER_PASSPHRASE, PASSPHRASE, RECIPIENT, new_identity

pytestmark = pytest.mark.one_database

ALPHABET = (string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/").encode()
BY_PASSPHRASE = EncryptionSettings(passphrase=PASSPHRASE, identity=IDENTITY)
FOR_RECIPIENTS = EncryptionSettings(recipients=(RECIPIENT, new_identity()[1]), identity=IDENTITY)
METHODS = {"passphrase": BY_PASSPHRASE, "recipients": FOR_RECIPIENTS}


@pytest.fixture(autouse=True)
def cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying a passphrase takes a millisecond instead of a third of a second."""
    monkeypatch.setattr(passphrase, "WORK_FACTOR", 10)


def encrypted(content: bytes, keys: EncryptionSettings, piece: int = 10_007) -> bytes:
    """The content, written in pieces."""
    file = io.BytesIO()
    with encrypting(file, keys) as target:
        for start in range(0, len(content), piece):
            assert target.write(content[start : start + piece]) == len(content[start : start + piece])
    return file.getvalue()


def decrypted(file: bytes, keys: EncryptionSettings) -> bytes:
    target = io.BytesIO()
    if method_of(file) == "passphrase":
        decrypt_with_passphrase(io.BytesIO(file), target, keys.passphrase)
    else:
        decrypt_with_identity(io.BytesIO(file), target, keys.identity)
    return target.getvalue()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17])
@pytest.mark.parametrize("method", METHODS)
def test_every_length_comes_back(size: int, method: str) -> None:
    content = random.Random(size).randbytes(size)
    file = encrypted(content, METHODS[method])
    assert method_of(file) == method
    assert size < 64 or content[:64] not in file
    assert decrypted(file, METHODS[method]) == content
    if method == "passphrase":
        assert pyrage.passphrase.decrypt(file, PASSPHRASE) == content
    else:
        assert pyrage.decrypt(file, [pyrage.x25519.Identity.from_str(IDENTITY)]) == content


@pytest.mark.parametrize("piece", [1, CHUNK, 5 * CHUNK])
def test_size_of_the_pieces_does_not_matter(piece: int) -> None:
    content = random.Random(7).randbytes(2 * CHUNK + 5)
    assert pyrage.passphrase.decrypt(encrypted(content, BY_PASSPHRASE, piece), PASSPHRASE) == content


def test_two_files_of_the_same_content_have_nothing_in_common() -> None:
    first, second = encrypted(b"content", BY_PASSPHRASE), encrypted(b"content", BY_PASSPHRASE)
    assert first.splitlines()[1] != second.splitlines()[1]
    assert first[-23:] != second[-23:]


@pytest.mark.parametrize("method", METHODS)
def test_other_keys_do_not_open_it(method: str) -> None:
    file = encrypted(b"content", METHODS[method])
    with pytest.raises(Locked, match="does not open this backup"):
        decrypted(file, EncryptionSettings(passphrase=OTHER_PASSPHRASE, identity=new_identity()[0]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("at", ["header", "first chunk", "last chunk", "last byte", "last chunk missing", "appended"])
def test_damage_is_found(method: str, at: str) -> None:
    content = random.Random(5).randbytes(2 * CHUNK + 100)
    file = bytearray(encrypted(content, METHODS[method]))
    last_chunk = 100 + 16
    if at == "appended":
        file += b"x"
    elif at == "last chunk missing":
        del file[-last_chunk:]
    elif at == "last byte":
        del file[-1]
    elif at == "header":
        position = file.index(b"---") + 10
        file[position] ^= 1
    else:
        file[-last_chunk if at == "last chunk" else -last_chunk - CHUNK] ^= 1
    with pytest.raises(BadRequest, match="damaged or truncated"):
        decrypted(bytes(file), METHODS[method])


def test_header_without_an_end_is_not_read_further() -> None:
    source = io.BytesIO(INTRO + b"-> X25519 abc\n" * 6_000)
    with pytest.raises(BadRequest, match="damaged or truncated"):
        decrypt_with_identity(source, io.BytesIO(), IDENTITY)
    assert source.tell() == LONGEST_HEADER


@pytest.mark.parametrize("field", [rb"-> scrypt (\S{22}) ", rb"\n(\S{43})\n--- ", rb"\n--- (\S{43})\n"])
def test_unused_bits_of_base64_are_zero(field: bytes) -> None:
    file = encrypted(b"content", BY_PASSPHRASE)
    found = re.search(field, file)
    assert found is not None
    last = found.end(1) - 1
    other = ALPHABET[ALPHABET.index(file[last]) + 1]
    altered = file[:last] + bytes([other]) + file[last + 1 :]
    with pytest.raises(BadRequest, match="damaged or truncated"):
        decrypted(altered, BY_PASSPHRASE)


def test_panic_of_the_library_ends_the_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        pass

    def panic(*_: object) -> None:
        raise Panic

    raised: list[BaseException] = []

    def write() -> None:
        try:
            encrypted(bytes(100), FOR_RECIPIENTS, piece=1)
        except Panic as error:
            raised.append(error)

    monkeypatch.setattr(pyrage, "encrypt_io", panic)
    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    writing.join(30)
    assert len(raised) == 1


@pytest.mark.parametrize("length", [22, 40, 100, 150, 160, 166, 188])
@pytest.mark.parametrize("method", METHODS)
def test_beginning_of_a_file_is_refused(method: str, length: int) -> None:
    with pytest.raises(BadRequest):
        decrypted(encrypted(b"content", METHODS[method])[:length], METHODS[method])


def test_trying_a_passphrase_is_costly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "WORK_FACTOR", WORK_FACTOR)
    file = encrypted(b"content", BY_PASSPHRASE)
    assert file.splitlines()[1].endswith(b" 17")
    assert decrypted(file, BY_PASSPHRASE) == b"content"
    assert pyrage.passphrase.decrypt(file, PASSPHRASE) == b"content"


def test_passphrase_that_takes_too_much_memory_is_refused() -> None:
    file = encrypted(b"content", BY_PASSPHRASE)
    costly = re.sub(rb"^(-> scrypt \S+) %d$" % passphrase.WORK_FACTOR, rb"\1 30", file, flags=re.MULTILINE)
    assert costly != file
    with pytest.raises(BadRequest, match="more than 1 GiB of memory"):
        decrypted(costly, BY_PASSPHRASE)


@pytest.mark.parametrize("method", METHODS)
def test_unfinished_file_does_not_open(method: str) -> None:
    file = io.BytesIO()

    def fail() -> None:
        with encrypting(file, METHODS[method]) as target:
            target.write(bytes(3 * CHUNK))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(StockyError):
        decrypted(file.getvalue(), METHODS[method])


class FullDisk(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("method", METHODS)
def test_full_disk_is_reported_as_such(method: str) -> None:
    def fill() -> None:
        with encrypting(FullDisk(), METHODS[method]) as target:
            for _ in range(100):
                target.write(bytes(CHUNK))

    with pytest.raises(OSError, match="No space") as raised:
        fill()
    assert raised.value.errno == 28


def test_file_without_keys_is_written_as_it_is() -> None:
    file = io.BytesIO()
    for keys in (None, EncryptionSettings(identity=IDENTITY)):
        with encrypting(file, keys) as target:
            target.write(b"content")
    assert file.getvalue() == b"contentcontent"
