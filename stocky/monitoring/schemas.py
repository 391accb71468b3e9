"""What monitoring is answered."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class ServiceHealth(Struct):
    """That Stocky is ready, in the words existing clients look for."""

    status: Literal["healthy"] = "healthy"
    service: Literal["stocky-backend"] = "stocky-backend"


class Alive(Struct):
    """That the process answers."""

    status: Literal["alive"] = "alive"


class Ready(Struct, kw_only=True):
    """That every check was well."""

    status: Literal["ready"] = "ready"
    checks: dict[str, str]
    details: dict[str, str]


class Health(Struct, kw_only=True):
    """That Stocky lives and every check was well."""

    status: Literal["healthy"] = "healthy"
    service: Literal["stocky-backend"] = "stocky-backend"
    version: str
    checks: dict[str, str]
