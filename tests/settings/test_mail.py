"""The settings of the mail server: their defaults, and what is wrong, by the name of the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocky.config import Config, ConfigError, load

HOST = {"STOCKY_SMTP_HOST": "smtp.example.org", "STOCKY_SMTP_FROM": "Stocky <stocky@example.org>"}


def loaded(tmp_path: Path, **environ: str) -> Config:
    return load({"STOCKY_DATA_DIR": str(tmp_path), **environ})


def test_defaults(tmp_path: Path) -> None:
    assert loaded(tmp_path).mail is None
    mail = loaded(tmp_path, **HOST).mail
    assert mail is not None
    assert (mail.address, mail.security, mail.sender_address) == (
        "smtp.example.org:587",
        "starttls",
        "stocky@example.org",
    )
    ports = {"tls": 465, "none": 25}
    for security, port in ports.items():
        mail = loaded(tmp_path, **HOST, STOCKY_SMTP_SECURITY=security).mail
        assert mail is not None
        assert mail.port == port


def test_port_that_kubernetes_sets_for_a_service_is_not_a_setting(tmp_path: Path) -> None:
    port = {"STOCKY_SMTP_PORT": "tcp://10.0.0.7:25"}
    assert loaded(tmp_path, **port).mail is None
    mail = loaded(tmp_path, **HOST, **port).mail
    assert mail is not None
    assert mail.port == 587


def test_password_may_be_in_a_file_and_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret-of-the-mailbox\n")
    config = loaded(tmp_path, **HOST, STOCKY_SMTP_USER="stocky", STOCKY_SMTP_PASSWORD_FILE=str(file))
    assert config.mail is not None
    assert config.mail.password == "secret-of-the-mailbox"
    assert "secret" not in f"{config!r} {config.mail!r}"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"STOCKY_SMTP_FROM": "a@example.org"}, "STOCKY_SMTP_HOST: is needed with STOCKY_SMTP_FROM"),
        ({"STOCKY_SMTP_HOST": "smtp.example.org"}, "STOCKY_SMTP_FROM: is needed"),
        (HOST | {"STOCKY_SMTP_FROM": "nobody"}, "STOCKY_SMTP_FROM: "),
        (HOST | {"STOCKY_SMTP_FROM": "a@example.org\nBcc: b@example.org"}, "STOCKY_SMTP_FROM: "),
        (HOST | {"STOCKY_SMTP_HOST": "smtp.example.org:587"}, "STOCKY_SMTP_HOST: "),
        (HOST | {"STOCKY_SMTP_PORT": "0"}, "STOCKY_SMTP_PORT: "),
        (HOST | {"STOCKY_SMTP_SECURITY": "ssl"}, "STOCKY_SMTP_SECURITY: "),
        (HOST | {"STOCKY_SMTP_USER": "stocky"}, "STOCKY_SMTP_PASSWORD: is needed"),
        (HOST | {"STOCKY_SMTP_PASSWORD": "x"}, "STOCKY_SMTP_USER: is needed"),
        (
            HOST | {"STOCKY_SMTP_USER": "a", "STOCKY_SMTP_PASSWORD": "x", "STOCKY_SMTP_SECURITY": "none"},
            "STOCKY_SMTP_SECURITY: none would send the password unencrypted",
        ),
        (HOST | {"STOCKY_SMTP_TIMEOUT": "90"}, "STOCKY_SMTP_TIMEOUT: "),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path: Path, environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, **environ)
    assert any(each.startswith(words) for each in refused.value.problems), refused.value.problems
