"""The secret key in the data directory: created once, readable only by its owner, never a short one."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from stocky.disk import move_new

SECRET_FILE = "secret-key"
MINIMUM_SECRET = 32
_CURE = (
    "put the file back from a copy of the data directory, or delete it: a new key is then made, and all users have to"
    " sign in again"
)


def read_stored_key(data_dir: Path) -> str:
    """The key in the data directory, empty where there is none yet. Raises ValueError for an invalid one."""
    file = data_dir / SECRET_FILE
    try:
        key = file.read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ValueError(f"the secret key {file} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"the secret key {file} is not text; {_CURE}") from error
    if not key:
        raise ValueError(f"the secret key {file} is empty; {_CURE}")
    if len(key) < MINIMUM_SECRET:
        raise ValueError(
            f"the secret key {file} has {len(key)} characters, but at least {MINIMUM_SECRET} are needed; {_CURE}"
        )
    return key


def make_stored_key(data_dir: Path) -> str:
    """The key in the data directory, created if there is none. Raises ValueError or OSError."""
    if key := read_stored_key(data_dir):
        return key
    data_dir.mkdir(parents=True, exist_ok=True)
    # A name of its own: processes in containers that share the directory all have the same PID.
    descriptor, name = tempfile.mkstemp(prefix=f".{SECRET_FILE}-", dir=data_dir)
    made = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(secrets.token_urlsafe(48))
            opened.flush()
            os.fsync(opened.fileno())
        # Of two concurrent first starts, one creates the key and both use it.
        move_new(made, data_dir / SECRET_FILE)
    except FileExistsError:
        pass
    finally:
        made.unlink(missing_ok=True)
    return read_stored_key(data_dir)
