"""Keys for encrypted backups, made by pyrage."""

from __future__ import annotations

import pyrage

PASSPHRASE = "correct horse battery staple"
OTHER_PASSPHRASE = "quite another one, also long"
BY_PASSPHRASE = {"STOCKY_BACKUP_PASSPHRASE": PASSPHRASE}


def new_identity() -> tuple[str, str]:
    """A new identity, and its public key."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


IDENTITY, RECIPIENT = new_identity()
FOR_RECIPIENTS = {"STOCKY_BACKUP_RECIPIENTS": RECIPIENT, "STOCKY_BACKUP_IDENTITY": IDENTITY}
