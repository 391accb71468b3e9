"""The keys of encrypted backups, and what may be wrong with them; the packages are only imported where keys are set.

With recipients an identity is required: a backup that the server cannot open could never be test-restored.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec

import msgspec

from stocky.backup.encryption.format import INTRO, Method
from stocky.environment import EnvironmentReader

MINIMUM_PASSPHRASE = 12
PACKAGES = ("cryptography", "pyrage")
_NOT_INSTALLED = "is not installed; install Stocky with the extra 'encryption' (pip install cryptography pyrage)"


class EncryptionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What encrypts new backups, a passphrase or recipients, and what opens them.

    `identity` is the text of an age identity file or of an SSH private key. With only that, new backups are not
    encrypted.
    """

    passphrase: str = ""
    recipients: tuple[str, ...] = ()
    identity: str = ""

    @property
    def method(self) -> Method | None:
        """How new backups are encrypted; None where they are not."""
        return "passphrase" if self.passphrase else "recipients" if self.recipients else None

    @property
    def recipients_sha256(self) -> str | None:
        """Names the recipients that new backups are encrypted for; None where they are for none."""
        if self.method != "recipients":
            return None
        return hashlib.sha256("\n".join(sorted(self.recipients)).encode()).hexdigest()

    def __repr__(self) -> str:
        return f"EncryptionSettings(method={self.method!r})"


def missing_package() -> str | None:
    """A line about the first package of the extra that is not installed."""
    missing = next((name for name in PACKAGES if find_spec(name) is None), None)
    return None if missing is None else f"the package {missing} {_NOT_INSTALLED}"


def read_passphrase(text: str) -> str:
    """The passphrase. Raises ValueError for one that is too short, or that cannot be typed."""
    if len(text) < MINIMUM_PASSPHRASE:
        raise ValueError(f"at least {MINIMUM_PASSPHRASE} characters are needed")
    if not text.isprintable():
        raise ValueError("it has to be one line without control characters, which 'age -d' can ask for")
    return text


def read_recipient(text: str) -> str:
    """The recipient. Raises ValueError for anything but a public key of age or SSH."""
    from stocky.backup.encryption.recipients import parse_recipient

    if text.upper().startswith("AGE-SECRET-KEY-"):
        raise ValueError("this is a secret key; a recipient is its public key, which begins with age1")
    try:
        parse_recipient(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no public key of age (age1…) or SSH (ssh-ed25519 …, ssh-rsa …); separate several by commas"
        ) from error
    return text


def read_identity(text: str) -> str:
    """The text of an identity. Raises ValueError when it has none that can be used without a passphrase."""
    from stocky.backup.encryption.recipients import parse_identities

    if text.encode().startswith(INTRO.strip()):
        raise ValueError(
            "the identity is itself encrypted; decrypt it with 'age -d', into a file that only Stocky reads"
        )
    try:
        parse_identities(text)
    except ValueError as error:
        raise ValueError(
            "this is no identity of age (AGE-SECRET-KEY-1…, as 'age-keygen' makes it) and no SSH private key"
        ) from error
    return text


def check_pair(recipients: tuple[str, ...], identity: str) -> None:
    """Raises ValueError when the identity does not open what is encrypted for the recipients."""
    from stocky.backup.encryption.recipients import opens

    if not opens(recipients, identity):
        raise ValueError("does not open what is encrypted for STOCKY_BACKUP_RECIPIENTS; add its public key there")


def blank_settings(reader: EnvironmentReader) -> list[str]:
    """A line for each variable that is set to nothing: that would turn encryption off unnoticed."""
    names = ("STOCKY_BACKUP_PASSPHRASE", "STOCKY_BACKUP_PASSPHRASE_FILE", "STOCKY_BACKUP_RECIPIENTS")
    return [
        f"{name}: is empty; give it a value, or remove the variable so that backups are not encrypted"
        for name in names
        if name in reader.environ and not reader.environ[name].strip(" ,\t\r\n")
    ]


def read_settings(reader: EnvironmentReader) -> EncryptionSettings | None:
    """The keys of encrypted backups; None without any, or with a problem."""
    passphrase = reader.text("STOCKY_BACKUP_PASSPHRASE", "", secret=True)
    recipients = reader.names("STOCKY_BACKUP_RECIPIENTS")
    identity = reader.text("STOCKY_BACKUP_IDENTITY", "", secret=True)
    given = {
        "STOCKY_BACKUP_PASSPHRASE": passphrase,
        "STOCKY_BACKUP_RECIPIENTS": recipients,
        "STOCKY_BACKUP_IDENTITY": identity,
    }
    if blank := blank_settings(reader):
        reader.problems.extend(blank)
        return None
    names = [name for name, value in given.items() if value]
    if not names:
        return None
    if (missing := missing_package()) is not None:
        reader.problems.append(f"{names[0]}: {missing}")
        return None
    problems = len(reader.problems)
    if passphrase and recipients:
        reader.problems.append("STOCKY_BACKUP_PASSPHRASE: set either this or STOCKY_BACKUP_RECIPIENTS, not both")
    if passphrase:
        reader.parsed("STOCKY_BACKUP_PASSPHRASE", read_passphrase, passphrase)
    for recipient in recipients:
        reader.parsed("STOCKY_BACKUP_RECIPIENTS", read_recipient, recipient)
    if identity:
        reader.parsed("STOCKY_BACKUP_IDENTITY", read_identity, identity)
    elif recipients:
        reader.problems.append(
            "STOCKY_BACKUP_IDENTITY: is needed with STOCKY_BACKUP_RECIPIENTS, as a file of STOCKY_BACKUP_IDENTITY_FILE:"
            " without it no backup could be test-restored"
        )
    if len(reader.problems) == problems and recipients:
        reader.parsed("STOCKY_BACKUP_IDENTITY", lambda text: check_pair(recipients, text), identity)
    if len(reader.problems) > problems:
        return None
    return EncryptionSettings(passphrase=passphrase, recipients=recipients, identity=identity)
