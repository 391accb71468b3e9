"""Reports unknown settings with a suggestion; ignores variables that a platform sets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping

PREFIX = "STOCKY_"
# Read elsewhere than in `config`: by a command, and by the tests.
_ELSEWHERE = frozenset({"STOCKY_ADMIN_PASSWORD", "STOCKY_TEST_POSTGRES_URL"})
# What Kubernetes and Docker set in every container for services called `stocky` or `stocky-…`.
_PLATFORMS = re.compile(
    r"STOCKY_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:ADDR|PORT|PROTO))?)"
    r"|STOCKY_(?:NAME|ENV_\w+)"
)
_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://")


def is_platforms(name: str, value: str) -> bool:
    """Whether a platform set this for a service called `stocky`, as `STOCKY_PORT=tcp://10.0.0.7:8000`."""
    return bool(_PLATFORMS.fullmatch(name) or (name.endswith("_PORT") and _ADDRESS.match(value)))


def unknown_settings(environ: Mapping[str, str], known: Collection[str]) -> list[str]:
    """A line for each variable that is named like a setting but is not one."""
    lines = []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in known or name in _ELSEWHERE or is_platforms(name, environ[name]):
            continue
        suffixes = [each.removeprefix(PREFIX) for each in known if each.startswith(PREFIX)]
        nearest = difflib.get_close_matches(name.removeprefix(PREFIX), suffixes, n=1, cutoff=0.7)
        hint = f"did you mean {PREFIX}{nearest[0]}?" if nearest else "the README lists the settings"
        lines.append(f"{name} is not a setting and has no effect; {hint}")
    return lines
