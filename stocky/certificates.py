"""What messages say when the certificates of authorities cannot be read, where a client is made that checks them."""

from __future__ import annotations


def unreadable(error: OSError) -> str:
    """The reason with what to check, for the error of making an HTTP client."""
    reason = f"{type(error).__name__}; check SSL_CERT_FILE and SSL_CERT_DIR if they are set"
    return f"the trusted certificates cannot be read ({reason})"
