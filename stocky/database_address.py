"""The address of a Postgres database, parsed once into the parts passed to every driver.

No error message contains a part of the address that may belong to a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, unquote

import msgspec

# Driver suffixes that other programs use.
_DRIVERS = ("", "+asyncpg", "+psycopg", "+psycopg_async", "+psycopg2")
SCHEMES = tuple(name + driver for name in ("postgresql", "postgres") for driver in _DRIVERS)
PORT = 5432

_SPECIAL = (
    "a special character breaks it; percent-encode those of the user name and the password"
    " (@ is %40, / is %2F, # is %23, ? is %3F, % is %25, a blank is %20),"
    " or set STOCKY_DATABASE_HOST, _NAME, _USER and _PASSWORD instead"
)
_WRONG_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")


def _one_of(*choices: str) -> Callable[[str], str | None]:
    return lambda value: None if value in choices else f"is one of {', '.join(choices)}"


def _number(value: str) -> str | None:
    return None if value.isascii() and value.isdigit() and len(value) < 10 else "is a whole number"


def _text(value: str) -> str | None:
    return None if value else "has no value"


_TLS_VERSION = _one_of("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# The parameters of libpq that are passed on or translated, each with the check of its value.
_PARAMETERS: dict[str, Callable[[str], str | None]] = {
    "application_name": _text,
    "channel_binding": _one_of("disable", "prefer", "require"),
    "client_encoding": lambda value: None if value.lower() in ("utf8", "utf-8", "auto") else "is utf8",
    "connect_timeout": _number,
    "fallback_application_name": _text,
    # The driver for queries cannot encrypt by GSSAPI.
    "gssencmode": _one_of("disable", "prefer"),
    "gsslib": _one_of("gssapi", "sspi"),
    "keepalives": _one_of("0", "1"),
    "keepalives_count": _number,
    "keepalives_idle": _number,
    "keepalives_interval": _number,
    "krbsrvname": _text,
    "options": _text,
    "passfile": _text,
    "ssl_max_protocol_version": _TLS_VERSION,
    "ssl_min_protocol_version": _TLS_VERSION,
    "sslcert": _text,
    "sslcrl": _text,
    "sslkey": _text,
    "sslmode": _one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": _one_of("postgres", "direct"),
    "sslpassword": _text,
    "sslrootcert": _text,
    "sslsni": _one_of("0", "1"),
    "target_session_attrs": _one_of("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "tcp_user_timeout": _number,
}
# Parts of the address that libpq also takes as parameters.
_PARTS = ("host", "port", "dbname", "user", "password")
# Parameters of other programs: whether to use TLS, and that a pooler is used, which Stocky detects itself.
_SSL = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
_NOT_NEEDED = ("pgbouncer", "client_encoding")


class PostgresAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A database address. A host is a name, an IP address or the directory of a socket, each with a port.

    Without hosts the drivers' default applies; empty parts come from their environment (PGUSER, PGPASSWORD, …).
    """

    hosts: tuple[tuple[str, int], ...] = ()
    user: str = ""
    password: str = ""
    database: str
    # By libpq's names, with checked values.
    parameters: dict[str, str] = {}

    @property
    def url(self) -> str:
        """The address in the one form that all of Stocky and libpq accept."""
        user = quote(self.user, safe="") + (f":{quote(self.password, safe='')}" if self.user and self.password else "")
        hosts = ",".join(f"{_url_host(host)}:{port}" for host, port in self.hosts)
        # A password before the host needs a user, which may come from the drivers' environment instead.
        parameters = self.parameters | ({"password": self.password} if self.password and not self.user else {})
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        return (
            f"postgresql://{user + '@' if user else ''}{hosts}/{quote(self.database, safe='')}"
            f"{'?' + query if query else ''}"
        )

    @property
    def shown(self) -> str:
        """For messages: host:port/database, without user and password."""
        hosts = ",".join(f"{_url_host(host) if ':' in host else host}:{port}" for host, port in self.hosts)
        return f"{hosts}/{self.database}" if hosts else f"{self.database} on the default server"

    def __repr__(self) -> str:
        return f"PostgresAddress(hosts={self.hosts!r}, database={self.database!r})"


def clean(text: str) -> str:
    """An address without surrounding remains of copying: a byte order mark, blanks, quotation marks."""
    text = text.strip("\ufeff \t\r\n")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1].strip()
    return text


def scheme_of(text: str) -> str:
    """The part before :// in lower case; empty where there is none."""
    scheme, separator, _ = text.partition("://")
    return scheme.lower() if separator else ""


def parse(text: str, *, password: str = "") -> PostgresAddress:
    """Parses an address with one of SCHEMES; `password` applies where it has none.

    Raises ValueError with the reason, without any part of a secret.
    """
    rest = text.partition("://")[2]
    if _BLANK.search(rest) or _WRONG_PERCENT.search(rest) or "#" in rest:
        raise ValueError(_SPECIAL)
    before_query, _, query = rest.partition("?")
    authority, _, path = before_query.rstrip("/").partition("/")
    user_info, separator, host_list = authority.rpartition("@")
    if "@" in user_info or "@" in path or "/" in path:
        raise ValueError(_SPECIAL)
    try:
        given = _parameters(query)
        hosts = _hosts(host_list, "")
    except ValueError as error:
        # A password with a raw special character, whose rest was parsed as another part.
        raise ValueError(_SPECIAL if "@" in path + query else str(error)) from None
    user, _, written = user_info.partition(":")
    if "host" in given or "port" in given:
        hosts = _hosts(quote(given["host"], safe=",:[]") if "host" in given else host_list, given.get("port", ""))
    return _checked(
        PostgresAddress(
            hosts=hosts,
            user=given.get("user") or _decoded(user),
            password=given.get("password") or _decoded(written) or password,
            database=given.get("dbname") or _decoded(path),
            parameters={name: value for name, value in given.items() if name not in (*_PARTS, *_NOT_NEEDED)},
        ),
        has_user=not separator or bool(user),
    )


def from_parts(*, host: str, port: str, name: str, user: str, password: str) -> PostgresAddress:
    """The address of separate settings, in which no character is special. Raises ValueError."""
    return PostgresAddress(hosts=_hosts(quote(host, safe=",:[]"), port), user=user, password=password, database=name)


def _checked(address: PostgresAddress, *, has_user: bool) -> PostgresAddress:
    if not address.database:
        raise ValueError("name the database, as in postgresql://user@host/stocky")
    if not has_user:
        raise ValueError("there is no user name before the password")
    return address


def _parameters(query: str) -> dict[str, str]:
    given: dict[str, str] = {}
    unknown = []
    for pair in filter(None, query.split("&")):
        name, separator, value = (_decoded(part) for part in pair.partition("="))
        if name == "ssl":
            name, value = "sslmode", _SSL.get(value.lower(), value)
        if name not in _PARAMETERS and name not in (*_PARTS, *_NOT_NEEDED):
            unknown.append(name)
            continue
        wrong = None if name not in _PARAMETERS else _PARAMETERS[name](value)
        if wrong or not separator:
            raise ValueError(f"the parameter {name} {wrong or 'has no value'}")
        given[name] = value
    if unknown:
        names = ", ".join(unknown)
        raise ValueError(f"it has unknown parameters: {names}; the known ones are {', '.join(_PARAMETERS)}")
    return given


def _hosts(host_list: str, ports: str) -> tuple[tuple[str, int], ...]:
    """`host_list` is percent-encoded, with or without ports; `ports` override those, one for all or one each."""
    if not host_list and not ports:
        return ()
    hosts = [_host(each) for each in host_list.split(",")]
    if ports:
        numbers = [_port(each) for each in ports.split(",")]
        if len(numbers) not in (1, len(hosts)):
            raise ValueError("there are more or fewer ports than hosts")
        hosts = [(host, numbers[index % len(numbers)]) for index, (host, _) in enumerate(hosts)]
    if len(hosts) > 1 and not all(host for host, _ in hosts):
        raise ValueError("a host in the list has no name")
    return tuple(hosts)


def _host(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, separator, port = text[1:].partition("]")
        if not separator or (port and not port.startswith(":")):
            raise ValueError("write an IPv6 address in brackets, as in [::1]:5432")
        port = port.removeprefix(":")
    elif text.count(":") > 1:
        # An IPv6 address without a port, as in STOCKY_DATABASE_HOST.
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    return _decoded(host), _port(port) if port else PORT


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ValueError("the port is not a number from 1 to 65535")
    return int(text)


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("/") else quote(host, safe="")


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(_SPECIAL) from None
