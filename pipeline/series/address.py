"""Reads the address of a Redis: one server, a socket, Sentinel or a cluster; user and password are never shown."""

from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

from pipeline.errors import UsageError

Kind = Literal["server", "socket", "sentinel", "cluster"]
DEFAULT_PORT = {"server": 6379, "cluster": 6379, "sentinel": 26379}
SCHEMES: dict[str, tuple[Kind, bool]] = {
    "redis": ("server", False),
    "rediss": ("server", True),
    "unix": ("socket", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
OPTIONS: dict[Kind, frozenset[str]] = {
    "server": frozenset({"db"}),
    "socket": frozenset({"db"}),
    "sentinel": frozenset({"db", "sentinel_username", "sentinel_password"}),
    "cluster": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Address:
    kind: Kind
    tls: bool = False
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    """Of the socket."""
    service: str = ""
    """The name that Sentinel knows the primary by."""
    db: int = 0
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return the address without user and password, for messages."""
        if self.kind == "socket":
            return self.path
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return f"{hosts}/{self.service}" if self.service else hosts


def parsed(url: str) -> Address:
    """Return the address that a URL of `RedisSettings` names.

    Raises:
        UsageError: It cannot be read; the message does not repeat it, as it may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise _wrong(f"it must start with one of {', '.join(f'{name}://' for name in SCHEMES)}")
    kind, tls = SCHEMES[scheme]
    rest, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(options) - OPTIONS[kind])
    if unknown:
        known = ", ".join(sorted(OPTIONS[kind])) or "none"
        raise _wrong(f"after ? stand {len(unknown)} options that are not known here (known: {known})")
    secrets: dict[str, Any] = {
        name: options[name] for name in ("sentinel_username", "sentinel_password") if name in options
    }
    # The last @, as a password that is not percent-encoded may hold one.
    who, _, rest = rest.rpartition("@")
    username, _, password = who.partition(":")
    secrets |= {"username": unquote(username)} if username else {}
    secrets |= {"password": unquote(password)} if password else {}
    if kind == "socket":
        if not rest.startswith("/"):
            raise _wrong("a socket is named by its whole path: unix:///run/redis.sock")
        return Address(kind, path=unquote(rest), db=_db(options.get("db", "")), **secrets)
    authority, _, path = rest.partition("/")
    hosts = tuple(_host(text, DEFAULT_PORT[kind]) for text in authority.split(","))
    if kind == "server" and len(hosts) > 1:
        raise _wrong("several hosts are for redis+cluster:// and redis+sentinel://")
    service = ""
    if kind == "sentinel":
        service, _, path = path.partition("/")
        if not service:
            raise _wrong("Sentinel needs the name of the service: redis+sentinel://host:26379/mymaster")
    db = _db(options.get("db") or path.strip("/"))
    if kind == "cluster" and db:
        raise _wrong("a cluster has database 0 only")
    return Address(kind, tls, hosts, service=unquote(service), db=db, **secrets)


def _host(text: str, default_port: int) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or "]" in port:  # an IPv6 address in brackets, without a port
        host, port = text, ""
    host = unquote(host.strip("[]"))
    if not host or (":" in host and not text.startswith("[")):
        raise _wrong("a host is missing, or an IPv6 address does not stand in brackets")
    if not port:
        return host, default_port
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise _wrong(
            "a port is not a number from 1 to 65535 (special characters of a password must be percent-encoded)"
        )
    return host, int(port)


def _db(text: str) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdigit():
        raise _wrong("the database is not a number")
    return int(text)


def _wrong(reason: str) -> UsageError:
    return UsageError(f"RUNGWATCH_REDIS_URL cannot be read: {reason}")
