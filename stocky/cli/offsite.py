"""`stocky offsite` lists the off-site backups; `restore` and `verify` fetch the one that they are given."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stocky.cli.settings import load_settings

if TYPE_CHECKING:
    from stocky.backup.offsite.service import Listing
    from stocky.backup.store import StoredBackup
    from stocky.config import BlobSettings, Config

_LATEST = "latest"


class OffsiteFile(NamedTuple):
    """A file at an off-site destination; `sha256` is None when its metadata was not read.

    `parents` are the copies that an increment needs.
    """

    destination: BlobSettings
    name: str
    sha256: str | None = None
    parents: tuple[StoredBackup, ...] = ()

    def __str__(self) -> str:
        return f"{self.destination.url}/{self.name}"


def register(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "offsite",
        help="list the off-site backups",
        description="Lists the good copies at each destination of STOCKY_OFFSITE_URL, also without a database. 'stocky"
        " restore --offsite latest' restores the newest, and 'stocky restore --offsite NAME' any of them. Exits 0 only"
        " when every destination can be read.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises ConfigError."""
    import msgspec

    listings = _list_destinations(load_settings())
    if arguments.json:
        print(msgspec.json.encode(listings).decode())
        return int(any(each.error for each in listings))
    for each in listings:
        if each.error is not None:
            print(f"stocky: {each.error}", file=sys.stderr)
            continue
        print(f"{each.url}: {len(each.copies)} backups")
        for copy in each.copies:
            print(
                f"  {copy.filename:<38} {copy.size_bytes:>15,} bytes  {copy.created_at:%Y-%m-%d %H:%M}Z  {_state(copy)}"
            )
    return int(any(each.error for each in listings))


def add_source(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that name a backup, for `choose_source`."""
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="a Stocky .sql.gz or .zip, also encrypted (.age), or a stocky.db; also as s3://bucket/prefix/name or file:///directory/name",
    )
    parser.add_argument(
        "--offsite",
        metavar="NAME",
        help=f"a backup at STOCKY_OFFSITE_URL instead: '{_LATEST}', or a name that 'stocky offsite' lists",
    )
    parser.add_argument(
        "--passphrase-file",
        metavar="FILE",
        type=Path,
        help="the passphrase that opens an encrypted backup, where it is not STOCKY_BACKUP_PASSPHRASE; it encrypts"
        " nothing",
    )
    parser.set_defaults(parser=parser)


def choose_source(config: Config, arguments: argparse.Namespace) -> Path | OffsiteFile:
    """The backup that the arguments name. Raises NotFound, ConfigError, BadRequest."""
    if (arguments.file is None) == (arguments.offsite is None):
        arguments.parser.error("name a FILE, or an off-site backup with --offsite")
    if arguments.offsite is not None:
        found = _find(config, arguments.offsite)
        print(f"stocky: using {found}", file=sys.stderr)
        return found
    address: str = arguments.file
    if address.startswith("file://"):
        return Path(address.removeprefix("file://"))
    return _at_address(config, address) if address.startswith("s3://") else Path(address)


@contextmanager
def local_file(config: Config, source: Path | OffsiteFile, *, quiet: bool) -> Iterator[Path]:
    """The file itself; one that is off site is fetched to the backup directory, and deleted after the block.

    The parents of an increment are then beside it.

    Raises NotFound, BadRequest for a damaged copy, OutOfSpace, Unavailable.
    """
    if isinstance(source, Path):
        yield source
        return
    import asyncio

    from stocky.backup.offsite.service import fetch_file
    from stocky.cli.progress import ProgressBar
    from stocky.worker.workspace import scratch_directory

    with scratch_directory(config.backup_dir) as directory:
        output = directory / source.name
        with ProgressBar(quiet=quiet) as bar:
            asyncio.run(fetch_file(source.destination, source.name, output, source.sha256, bar))
            for parent in source.parents:
                file = directory / parent.filename
                asyncio.run(fetch_file(source.destination, parent.filename, file, parent.sha256, bar))
        yield output


def ask_passphrase(config: Config, file: Path, passphrase_file: Path | None) -> str | None:
    """The passphrase of an encrypted file: of `passphrase_file`, or typed on the terminal where the set one fails.

    None where the set one is to be tried; without a terminal, opening the file says what to do. Raises OSError, and
    BadRequest for a file without a passphrase.
    """
    from getpass import getpass

    from stocky.backup.encryption.format import method_of_file
    from stocky.errors import BadRequest

    if passphrase_file is not None:
        try:
            given = passphrase_file.read_text("utf-8").strip()
        except UnicodeDecodeError as error:
            raise BadRequest(f"{passphrase_file} is no text in UTF-8; it has to hold the passphrase") from error
        if not given:
            raise BadRequest(f"{passphrase_file} is empty; it has to hold the passphrase")
        return given
    if not sys.stdin.isatty() or method_of_file(file) != "passphrase" or _opens(config, file):
        return None
    return getpass(f"Passphrase of {file.name}: ") or None


def _opens(config: Config, file: Path) -> bool:
    """Whether no passphrase needs to be asked for: the set one fits, or opening the file fails for another reason."""
    from stocky.backup.encryption.settings import missing_package
    from stocky.errors import BadRequest

    if missing_package() is not None:
        return True
    if config.encryption is None or not config.encryption.passphrase:
        return False
    from stocky.backup.encryption.passphrase import fits

    try:
        with file.open("rb") as opened:
            return fits(opened, config.encryption.passphrase)
    except BadRequest:
        return True


def _at_address(config: Config, address: str) -> OffsiteFile:
    from stocky.config import ConfigError, at_address, s3_problems
    from stocky.errors import BadRequest

    directory, _, name = address.rpartition("/")
    try:
        destination = at_address(config.offsite.s3, directory)
    except ValueError:
        destination = None
    if destination is None or not name or name in (".", ".."):
        raise BadRequest(f"{address} names no file in a bucket, as s3://bucket/prefix/stocky-backup-….zip does")
    if problems := s3_problems(destination, "FILE", "STOCKY_OFFSITE_S3"):
        raise ConfigError(problems)
    return OffsiteFile(destination, name)


def _find(config: Config, name: str) -> OffsiteFile:
    """The copy of this name, or the latest; see `may_be_latest`. Destinations that cannot be read are reported."""
    from stocky.backup.chains import is_complete, parents_of
    from stocky.backup.offsite.policy import may_be_latest
    from stocky.backup.store import newest_first
    from stocky.errors import NotFound

    found, passed_over = [], []
    for listing, destination in zip(_list_destinations(config), config.offsite.destinations, strict=True):
        if listing.error is not None:
            print(f"stocky: {listing.error}", file=sys.stderr)
        if name == _LATEST:
            passed_over += [copy for copy in listing.copies if not may_be_latest(copy)]
        found += [
            (copy, OffsiteFile(destination, copy.filename, copy.sha256, tuple(parents_of(copy, listing.copies))))
            for copy in listing.copies
            if name in (copy.filename, copy.id) or (name == _LATEST and may_be_latest(copy))
        ]
    if not found:
        which = "without known problems" if name == _LATEST else f"named {name}"
        raise NotFound(f"There is no off-site backup {which}; 'stocky offsite' lists all")
    # One destination may lack a part of a chain that another one has.
    found = [each for each in found if is_complete(each[0], each[1].parents)] or found
    newest = newest_first(copy for copy, _ in found)[0]
    for copy in passed_over:
        if newest_first([copy, newest])[0] is copy:
            reason = "; ".join(copy.problems) or "it was made before a restore, of the data that was replaced"
            print(f"stocky: skipped {copy.filename}, newer: {reason}", file=sys.stderr)
    return next(file for copy, file in found if copy is newest)


def _list_destinations(config: Config) -> list[Listing]:
    import asyncio

    from stocky.backup.offsite.service import Offsite
    from stocky.backup.service import Backups
    from stocky.config import ConfigError

    if not config.offsite.destinations:
        raise ConfigError(["STOCKY_OFFSITE_URL: is needed for off-site backups; see docs/backup-and-restore.md"])
    return asyncio.run(Offsite(config, Backups(config)).list_destinations())


def _state(copy: StoredBackup) -> str:
    if copy.problems:
        return f"does not restore: {copy.problems[0]}"
    tested = "test-restored" if copy.is_good else "not test-restored"
    return tested if copy.parent_sha256 is None else f"{tested}, an increment"
