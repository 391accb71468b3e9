"""The settings of encryption: refused by name when they are wrong, and never shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stocky.config import ConfigError, load
from tests.encryption.keys import BY_PASSPHRASE, FOR_RECIPIENTS, IDENTITY, PASSPHRASE, RECIPIENT, new_identity
from tests.serving import ROOT, environment

pytestmark = pytest.mark.one_database


def test_nothing_is_encrypted_by_default(tmp_path: Path) -> None:
    assert load({"STOCKY_DATA_DIR": str(tmp_path)}).encryption is None


def test_passphrase_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")
    keys = load({"STOCKY_BACKUP_PASSPHRASE_FILE": str(tmp_path / "passphrase")}).encryption
    assert keys is not None
    assert (keys.method, keys.passphrase) == ("passphrase", PASSPHRASE)
    assert PASSPHRASE not in repr(keys)


def test_identity_comes_from_a_file_of_age_keygen(tmp_path: Path) -> None:
    (tmp_path / "identity").write_text(f"# created: 2026-01-31T12:00:00Z\n# public key: {RECIPIENT}\n{IDENTITY}\n")
    other = new_identity()[1]
    config = load({
        "STOCKY_BACKUP_RECIPIENTS": f"{other}, {RECIPIENT}",
        "STOCKY_BACKUP_IDENTITY_FILE": str(tmp_path / "identity"),
    })  # fmt: skip
    assert config.encryption is not None
    assert (config.encryption.method, config.encryption.recipients) == ("recipients", (other, RECIPIENT))
    assert IDENTITY not in repr(config) + repr(config.encryption)


def test_identity_alone_opens_backups_and_encrypts_none() -> None:
    keys = load({"STOCKY_BACKUP_IDENTITY": IDENTITY}).encryption
    assert keys is not None
    assert keys.method is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (BY_PASSPHRASE | FOR_RECIPIENTS, "STOCKY_BACKUP_PASSPHRASE: set either this or STOCKY_BACKUP_RECIPIENTS"),
        ({"STOCKY_BACKUP_PASSPHRASE": "short"}, "STOCKY_BACKUP_PASSPHRASE: at least 12 characters are needed"),
        ({"STOCKY_BACKUP_PASSPHRASE": "on two lines\nor more"}, "STOCKY_BACKUP_PASSPHRASE: it has to be one line"),
        ({"STOCKY_BACKUP_PASSPHRASE_FILE": "/nowhere/at all"}, "STOCKY_BACKUP_PASSPHRASE_FILE: /nowhere/at all cannot"),
        ({"STOCKY_BACKUP_RECIPIENTS": RECIPIENT}, "STOCKY_BACKUP_IDENTITY: is needed with STOCKY_BACKUP_RECIPIENTS"),
        (FOR_RECIPIENTS | {"STOCKY_BACKUP_RECIPIENTS": "age1xyz"}, "STOCKY_BACKUP_RECIPIENTS: 'age1xyz' is no public"),
        (FOR_RECIPIENTS | {"STOCKY_BACKUP_RECIPIENTS": IDENTITY}, "STOCKY_BACKUP_RECIPIENTS: this is a secret key"),
        (FOR_RECIPIENTS | {"STOCKY_BACKUP_IDENTITY": "AGE-SECRET-KEY-1X"}, "STOCKY_BACKUP_IDENTITY: this is no"),
        (FOR_RECIPIENTS | {"STOCKY_BACKUP_IDENTITY": "# nothing"}, "STOCKY_BACKUP_IDENTITY: this is no identity"),
        (FOR_RECIPIENTS | {"STOCKY_BACKUP_IDENTITY": new_identity()[0]}, "STOCKY_BACKUP_IDENTITY: does not open what"),
        (FOR_RECIPIENTS | {"STOCKY_BACKUP_RECIPIENTS": IDENTITY.lower()}, "STOCKY_BACKUP_RECIPIENTS: this is a secret"),
        ({"STOCKY_BACKUP_PASSPHRASE": " "}, "STOCKY_BACKUP_PASSPHRASE: is empty"),
        ({"STOCKY_BACKUP_PASSPHRASE_FILE": ""}, "STOCKY_BACKUP_PASSPHRASE_FILE: is empty"),
        ({"STOCKY_BACKUP_RECIPIENTS": " , ", "STOCKY_BACKUP_IDENTITY": IDENTITY}, "STOCKY_BACKUP_RECIPIENTS: is empty"),
        ({"STOCKY_BACKUP_IDENTITY_FILE": "/nowhere"}, "STOCKY_BACKUP_IDENTITY_FILE: /nowhere cannot be read"),
    ],
)  # fmt: skip
def test_wrong_setting_is_refused_by_name(settings: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(settings)
    assert problem in str(refused.value)
    assert "AGE-SECRET-KEY" not in str(refused.value).upper().replace("AGE-SECRET-KEY-1…", "")


def test_encrypted_identity_is_refused() -> None:
    with pytest.raises(ConfigError, match="STOCKY_BACKUP_IDENTITY: the identity is itself encrypted"):
        load(FOR_RECIPIENTS | {"STOCKY_BACKUP_IDENTITY": "age-encryption.org/v1\n-> X25519 abc"})


def test_ssh_keys_are_taken(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (tmp_path / "id_ed25519").write_bytes(private)
    config = load({
        "STOCKY_BACKUP_RECIPIENTS": f"{public.decode()} admin@example.org",
        "STOCKY_BACKUP_IDENTITY_FILE": str(tmp_path / "id_ed25519"),
    })  # fmt: skip
    assert config.encryption is not None
    assert config.encryption.method == "recipients"


WITHOUT_PACKAGE = """
import sys
sys.modules[{package!r}] = None
from stocky.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("package", ["cryptography", "pyrage"])
@pytest.mark.parametrize("command", [["backup"], ["serve"], ["migrate"]])
def test_absent_package_is_one_clear_line(package: str, command: list[str], tmp_path: Path) -> None:
    environ = environment(BY_PASSPHRASE | {"STOCKY_DATA_DIR": str(tmp_path / "data")})
    code = WITHOUT_PACKAGE.format(package=package)
    done = subprocess.run(
        [sys.executable, "-c", code, *command], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == (
        f"stocky: STOCKY_BACKUP_PASSPHRASE: the package {package} is not installed; install Stocky with the extra"
        " 'encryption' (pip install cryptography pyrage)"
    )
    assert not (tmp_path / "data").exists()


def test_absent_packages_change_nothing_while_encryption_is_off(tmp_path: Path) -> None:
    environ = environment({"STOCKY_DATA_DIR": str(tmp_path / "data")})
    code = "import sys\nsys.modules['pyrage'] = sys.modules['cryptography'] = None\n" + WITHOUT_PACKAGE.format(
        package="pyrage"
    )
    for command in (["migrate"], ["backup", "-o", str(tmp_path / "all.zip")], ["verify", str(tmp_path / "all.zip")]):
        done = subprocess.run(
            [sys.executable, "-c", code, *command], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
