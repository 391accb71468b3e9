"""TLS of Stocky itself: the certificate and its key are checked before the server starts, with one line for a fault."""

from __future__ import annotations

import ssl
from pathlib import Path

from stocky.config import Config, ConfigError

_CERT, _KEY = "STOCKY_TLS_CERT", "STOCKY_TLS_KEY"


class _Encrypted(Exception):
    """OpenSSL asked for a passphrase."""


def check_tls(config: Config) -> None:
    """Raises ConfigError when the certificate and the key cannot be used. No-op without TLS."""
    if config.tls_cert is None or config.tls_key is None:
        return
    for name, file in ((_CERT, config.tls_cert), (_KEY, config.tls_key)):
        _check_readable(name, file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key, _refuse_passphrase)
    except _Encrypted:
        raise ConfigError(
            [f"{_KEY}: {config.tls_key} is encrypted; write it without a passphrase: openssl pkey -in … -out …"]
        ) from None
    except ssl.SSLError as error:
        raise ConfigError([_describe(error, config.tls_cert, config.tls_key)]) from error


def _check_readable(name: str, file: Path) -> None:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise ConfigError([f"{name}: {file} cannot be read ({error.strerror})"]) from error


def _refuse_passphrase() -> str:
    # Without a callback OpenSSL would wait for one at the terminal.
    raise _Encrypted


def _describe(error: ssl.SSLError, cert: Path, key: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{_KEY}: {key} is not the key of the certificate {cert}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cert)
    except ssl.SSLError:
        return f"{_CERT}: {cert} is not a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"
    if error.reason in ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"):
        return f"{_CERT}: the key or the signature of {cert} is too weak; make a new one with 2048 bits or more"
    return f"{_KEY}: {key} is not a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----"
