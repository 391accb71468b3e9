"""The first admin, which an empty Stocky needs before anyone can sign in."""

from __future__ import annotations

from stocky.auth.service import create_admin

__all__ = ["create_admin"]
