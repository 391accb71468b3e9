"""Reads settings from environment variables and files; collects their problems and the names of unknown variables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

T = TypeVar("T")

_PREFIX = "STOCKY_"
# Read by a command and by the tests, not here.
_READ_ELSEWHERE = frozenset({"STOCKY_ADMIN_PASSWORD", "STOCKY_TEST_POSTGRES_URL"})
# What Kubernetes and Docker set in every container for services called `stocky` or `stocky-…`.
_SET_BY_PLATFORMS = re.compile(
    r"STOCKY_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:ADDR|PORT|PROTO))?)"
    r"|STOCKY_(?:NAME|ENV_\w+)"
)
_SERVICE_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://")
_PORTS = {"http": 80, "https": 443}


class EnvironmentReader:
    """Reads values from the environment and collects their problems."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.known: set[str] = set()
        self.problems: list[str] = []

    def text(self, name: str, default: str, *, platform: str | None = None, secret: bool = False) -> str:
        for each in (name, platform):
            if each is None:
                continue
            self.known |= {each, f"{each}_FILE"} if secret else {each}
            if secret and (file := self.environ.get(f"{each}_FILE")):
                try:
                    text = Path(file).read_text("utf-8").strip()
                except (OSError, UnicodeDecodeError) as error:
                    self.problems.append(f"{each}_FILE: {file} cannot be read ({error})")
                    return default
                if not text:
                    self.problems.append(f"{each}_FILE: {file} is empty")
                return text or default
            value = self.environ.get(each, "").strip()
            if value and not _is_set_by_platform(each, value):
                return value
        return default

    def given_as(self, name: str, *, platform: str | None = None) -> str | None:
        """The variable that sets it: `_FILE`, its own, or a platform's; None where it is not set."""
        names = [f"{each}{suffix}" for each in (name, platform) if each for suffix in ("_FILE", "")]
        values = {each: self.environ.get(each, "").strip() for each in names}
        return next((each for each, value in values.items() if value and not _is_set_by_platform(each, value)), None)

    def checked(self, name: str, read: Callable[[str], str]) -> str:
        """The text parsed by `read`, which raises ValueError for a wrong one; empty where it is not set."""
        text = self.text(name, "")
        try:
            return read(text) if text else ""
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return ""

    def parsed(self, name: str, read: Callable[[str], T], text: str) -> T | None:
        """The text of a setting parsed by `read`; None, with a problem, where that raises ValueError."""
        try:
            return read(text)
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return None

    def path(self, name: str, default: str = "") -> Path | None:
        """The absolute path; None where there is neither a value nor a default, or, with a problem, for a wrong one."""
        text = self.text(name, default)
        return self.parsed(name, absolute_path, text) if text else None

    def number(self, name: str, default: int, low: int, high: int, *, platform: str | None = None) -> int:
        text = self.text(name, str(default), platform=platform)
        if text.isascii() and text.isdigit() and low <= int(text) <= high:
            return int(text)
        self.problems.append(f"{name}: {text!r} is not a whole number from {low} to {high}")
        return default

    def choice(self, name: str, default: str, choices: tuple[str, ...], *, platform: str | None = None) -> str:
        text = self.text(name, default, platform=platform)
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        self.problems.append(f"{name}: {text!r} is not one of {', '.join(choices)}")
        return default

    def names(self, name: str, *, platform: str | None = None) -> tuple[str, ...]:
        text = self.text(name, "", platform=platform)
        if text.startswith("["):
            try:
                return tuple(msgspec.json.decode(text, type=list[str]))
            except msgspec.DecodeError:
                self.problems.append(f"{name}: {text!r} is not a JSON array of strings")
                return ()
        return tuple(part.strip() for part in text.split(",") if part.strip())

    def unknown(self) -> list[str]:
        """A line for each variable that is named like a setting but was not read."""
        lines = []
        for name in sorted(self.environ):
            if (
                not name.startswith(_PREFIX)
                or name in self.known
                or name in _READ_ELSEWHERE
                or _is_set_by_platform(name, self.environ[name])
            ):
                continue
            suffixes = [each.removeprefix(_PREFIX) for each in self.known if each.startswith(_PREFIX)]
            nearest = _nearest(name.removeprefix(_PREFIX), suffixes)
            hint = f"did you mean {_PREFIX}{nearest[0]}?" if nearest else "the README lists the settings"
            lines.append(f"{name} is not a setting and has no effect; {hint}")
        return lines


def absolute_path(text: str) -> Path:
    """The path from the root, where `~` is a home directory.

    Raises ValueError for an unknown user, a loop of symbolic links, or where the working directory was deleted.
    """
    try:
        return Path(text).expanduser().resolve()
    except (RuntimeError, OSError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error).rstrip(".")
        raise ValueError(f"the path {text!r} cannot be resolved ({reason})") from error


def split_web_address(text: str) -> SplitResult | None:
    """The parts of an http or https address with a host and a port that exists, if it has one; None for other texts."""
    try:
        parts = urlsplit(text)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_right and text.isprintable() and " " not in parts.netloc else None


def read_origin(text: str) -> str:
    """The origin as browsers send it: in lower case, and without the usual port. Raises ValueError."""
    if "*" in text:
        raise ValueError(f"{text!r} has a wildcard; list each origin, as in https://stock.example.org")
    parts = split_web_address(text)
    if parts is None or parts.path not in ("", "/"):
        raise ValueError(f"{text!r} is not an origin like https://stock.example.org")
    for name, is_there in (
        ("user name", "@" in parts.netloc),
        ("query", bool(parts.query)),
        ("fragment", bool(parts.fragment)),
    ):
        if is_there:
            raise ValueError(f"{text!r} has a {name}; an origin is only like https://stock.example.org")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}")


def _is_set_by_platform(name: str, value: str) -> bool:
    """Whether a platform set this for a service called `stocky`, as `STOCKY_PORT=tcp://10.0.0.7:8000`."""
    return bool(_SET_BY_PLATFORMS.fullmatch(name) or (name.endswith("_PORT") and _SERVICE_ADDRESS.match(value)))


def _nearest(word: str, words: list[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(word, words, n=1, cutoff=0.7)
