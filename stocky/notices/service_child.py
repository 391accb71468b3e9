"""The child process that sends to a service with `apprise`: it connects only to allowed addresses.

`apprise` and its plugins look names up and connect themselves, and follow redirects, so an audit hook checks every
connection of this process, for which it cannot be removed. Only plugins that take everything from the URL are allowed:
others read files that an URL names, run programs or use local buses.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import sys
from typing import Any
from urllib.parse import unquote

from stocky.addresses import TO_PRIVATE_SETTING, may_be_reached
from stocky.logs.redaction import MASK, redact
from stocky.notices.requests import ServiceCheck, ServiceMessage, ServiceOutcome
from stocky.progress import ProgressCallback

# Read: each talks HTTP to the address in its URL or to its own service, with `requests`, and needs no file.
SERVICES = frozenset(
    [
        *("ntfy", "ntfys", "gotify", "gotifys", "tgram", "matrix", "matrixs", "discord", "slack", "pover"),
        *("signal", "signals", "mmost", "mmosts", "rocket", "rockets", "zulip", "gchat", "workflow", "workflows"),
        *("ncloud", "nclouds", "nctalk", "nctalks", "hassio", "hassios", "pbul", "prowl", "bark", "barks", "spush"),
        *("join", "wxteams", "webex", "psafer", "psafers", "pushed"),
        *("json", "jsons", "form", "forms", "xml", "xmls"),
    ]
)
# Parameters that name files of this server, or that would keep something on it.
_REFUSED_PARAMETERS = frozenset({"template", "store"})
# Where `apprise` has the parameters of a URL.
_PARAMETERS = ("qsd", "qsd+", "qsd-", "qsd:")
# Of one request: to connect, and to wait for the answer. The parent limits the whole.
REQUEST_SECONDS = 8
LONGEST_ERROR = 500
# Shorter parts of a URL cannot be told from words.
_SHORTEST_SECRET = 3
# Between the subject and the body, where a service has no subjects.
_SEPARATION = 10
_NO_ADDRESS = "this is no address of a service; compare it with the documentation of apprise"
_PORT = re.compile(r"[0-9]{1,5}")
_CAUSE = re.compile(r"Caused by \w+\((?P<reason>.*)\)\)?$", re.DOTALL)


class AddressBlocked(OSError):
    """A connection to an address that notices may not reach."""


class _Guard:
    """Checks every connection of this process, and notes names and rejections."""

    def __init__(self, *, to_private: bool) -> None:
        self.names: set[str] = set()
        self.rejected: list[str] = []
        self._to_private = to_private

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            self.names.add(str(args[0]).lower())
        elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            self._check(args[1])

    def _check(self, target: Any) -> None:
        # A name here would be looked up again, and a text is a socket of this machine.
        host = str(target[0]).partition("%")[0] if isinstance(target, tuple) and target else ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            self._reject(f"{host or 'a local socket'} is an address to which notices are never sent")
            return
        if may_be_reached(address, to_private=self._to_private):
            return
        if may_be_reached(address, to_private=True):
            self._reject(
                f"{address} is a private address; notices are sent to public addresses only. To allow it, set"
                f" {TO_PRIVATE_SETTING}=true and restart Stocky"
            )
        self._reject(f"{address} is an address to which notices are never sent")

    def _reject(self, reason: str) -> None:
        self.rejected.append(reason)
        raise AddressBlocked(reason)


class _Records(logging.Handler):
    """What `apprise` reports while it sends."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.warnings: list[str] = []
        self.causes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.warnings.append(text)
        elif text.startswith(("Socket Exception: ", "I/O Exception: ")):
            reason = text.partition(": ")[2]
            found = _CAUSE.search(reason)
            self.causes.append((found["reason"] if found else reason).rpartition(">: ")[2].strip("'\")"))


def check(request: ServiceCheck, report: ProgressCallback) -> ServiceOutcome:
    """Whether the URL can be used; nothing is sent."""
    guard, records = _prepare(to_private=False)
    problem, _ = _open(request.url)
    return ServiceOutcome(problem and _shown(problem, request.url, guard, records))


def send(request: ServiceMessage, report: ProgressCallback) -> ServiceOutcome:
    """Sends a message; every failure is in the outcome."""
    guard, records = _prepare(to_private=request.to_private)
    problem, plugin = _open(request.url)
    if problem is None:
        from apprise import NotifyType

        try:
            is_sent = plugin.notify(
                title=request.subject, body=_shortened(request, plugin), notify_type=NotifyType.INFO, body_format="text"
            )
        except Exception as error:  # noqa: BLE001 - plugins raise anything; each is a failed attempt
            problem = f"{type(error).__name__}: {error}"
        else:
            problem = None if is_sent else "the message was not accepted"
    return ServiceOutcome(problem and _shown(problem, request.url, guard, records))


def _prepare(*, to_private: bool) -> tuple[_Guard, _Records]:
    # Proxies and passwords of the environment are for other programs.
    os.environ.update({"NO_PROXY": "*", "no_proxy": "*", "NETRC": os.devnull})
    guard, records = _Guard(to_private=to_private), _Records()
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(records)
    sys.addaudithook(guard)
    return guard, records


def _open(url: str) -> tuple[str | None, Any]:
    """What is wrong with the URL, or the plugin for it."""
    from apprise import Apprise, AppriseAsset, AppriseAttachment, plugins
    from apprise.attachment.base import AttachBase

    scheme = url.partition(":")[0].strip().lower()
    if scheme not in SERVICES | {"https"}:
        # Most have an encrypted form, with an s behind the name.
        names = ", ".join(sorted(each for each in SERVICES if each[:-1] not in SERVICES))
        return f"{scheme if scheme.isalnum() else 'this'} is not one of the services; begin with one of {names}", None
    url_to_dict: Any = plugins.url_to_dict
    try:
        parsed = url_to_dict(url, secure_logging=True)
    except Exception:  # noqa: BLE001 - plugins raise anything for a wrong URL, and repeat its passwords
        return _NO_ADDRESS, None
    if parsed is None or parsed.get("schema") not in SERVICES:
        return _NO_ADDRESS, None
    # As `apprise` splits the URL, which is not as `urlsplit` does.
    given = {name.lstrip("+-:").strip().lower() for kind in _PARAMETERS for name in parsed.get(kind) or {}}
    if refused := sorted(_REFUSED_PARAMETERS & (given | parsed.keys())):
        return _refused(refused[0]), None
    asset = AppriseAsset(
        app_id="Stocky", app_desc="Stocky", app_url="", storage_mode="memory", secure_logging=True, plugin_paths=[]
    )
    # Further parts of a long message, and repetitions, would come after pauses of seconds.
    parsed.update({"rto": REQUEST_SECONDS, "cto": REQUEST_SECONDS, "overflow": "truncate", "retry": 0, "wait": 0})
    try:
        plugin: Any = Apprise.instantiate(parsed, asset=asset, suppress_exceptions=False)
    except Exception as error:  # noqa: BLE001 - plugins raise anything for a wrong URL
        return str(error) or type(error).__name__, None
    if plugin is None:
        return _NO_ADDRESS, None
    for name, value in vars(plugin).items():
        if isinstance(value, AppriseAttachment | AttachBase) and (not isinstance(value, AppriseAttachment) or value):
            return _refused(name), None
    if (targets := len(plugin)) > 1:
        # Where one of them fails, the others would get the message again at each attempt.
        return f"this address has {targets} targets; add a channel for each of them", None
    return None, plugin


def _refused(parameter: str) -> str:
    return f"the parameter {parameter} is not allowed, since it names a file of this server; remove it"


def _shortened(request: ServiceMessage, plugin: Any) -> str:
    """The body as far as the service takes it in one message, with the subject, which some put before it."""
    longest: int = max(plugin.body_maxlen - len(request.subject) - _SEPARATION, 1)
    return request.body if len(request.body) <= longest else f"{request.body[: longest - 1].rstrip()}…"


def _shown(problem: str, url: str, guard: _Guard, records: _Records) -> str:
    """The failure in words, without any part of the URL except the hosts that were looked up."""
    reported = [each.rstrip(" .") for each in (*records.warnings[-1:], *records.causes[-1:])]
    text = " ".join("; ".join(guard.rejected[:1] or [problem, *reported]).split())
    secrets = {each for each in _parts(url) if each.lower() not in guard.names}
    for secret in sorted(secrets, key=len, reverse=True):
        text = re.sub(re.escape(secret), MASK, text, flags=re.IGNORECASE)
    return redact(text)[:LONGEST_ERROR]


def _parts(url: str) -> set[str]:
    """All parts of a URL that may be secret, as written and decoded; never fails, whatever the URL is."""
    address, *rest = re.split(r"[?#]", url.partition(":")[2].strip("/\\ "), maxsplit=1)
    host, _, path = address.partition("/")
    found = [host, path.strip("/"), *rest, *re.split(r"[/\\:@;]", address)]
    # `apprise` splits parameters at ; as well, and takes them after a # too.
    for pair in re.split(r"[?#&;]", "".join(rest)):
        name, is_named, value = pair.partition("=")
        shown = value if is_named else name
        found += [shown, *re.split(r"[/:@]", shown)]
    found += [unquote(each) for each in found]
    found = [each.strip() for each in found]
    return {each for each in found if len(each) >= _SHORTEST_SECRET and not _PORT.fullmatch(each)}
