"""Keys for encrypted backups, made by pyrage."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pyrage

from stocky.backup.encryption.confirmation import STATE_FILE, Confirmed, fingerprint
from stocky.config import Config

PASSPHRASE = "correct horse battery staple"
OTHER_PASSPHRASE = "quite another one, also long"
BY_PASSPHRASE = {"STOCKY_BACKUP_PASSPHRASE": PASSPHRASE}


def new_identity() -> tuple[str, str]:
    """A new identity, and its public key."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


IDENTITY, RECIPIENT = new_identity()
FOR_RECIPIENTS = {"STOCKY_BACKUP_RECIPIENTS": RECIPIENT, "STOCKY_BACKUP_IDENTITY": IDENTITY}


def note_confirmation(config: Config, at: datetime, passphrase: str = PASSPHRASE) -> None:
    """Writes the file as if this passphrase had been confirmed then."""
    config.backup_dir.mkdir(parents=True, exist_ok=True)
    confirmed = Confirmed(at, fingerprint(config.secret_key, passphrase))
    (config.backup_dir / STATE_FILE).write_bytes(msgspec.json.encode(confirmed))
