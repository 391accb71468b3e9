"""The responses of the health endpoints."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class ServiceHealth(Struct):
    """Stocky is ready, in the form existing clients expect."""

    status: Literal["healthy"] = "healthy"
    service: Literal["stocky-backend"] = "stocky-backend"


class Alive(Struct):
    """The process is running."""

    status: Literal["alive"] = "alive"


class Ready(Struct, kw_only=True):
    """Every check succeeded."""

    status: Literal["ready"] = "ready"
    checks: dict[str, str]
    details: dict[str, str]


class Health(Struct, kw_only=True):
    """The process is running and every check succeeded."""

    status: Literal["healthy"] = "healthy"
    service: Literal["stocky-backend"] = "stocky-backend"
    version: str
    checks: dict[str, str]
