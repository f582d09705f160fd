"""What may be read: which schemes, hosts and folders, for what the user names and for what a playlist points to."""

import ipaddress
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from pipeline.errors import NotAllowed, NotFound
from pipeline.ingest.addresses import IPAddress, Reach, literal, reach
from pipeline.settings import FetchLimits

WEB_SCHEMES = ("http", "https")
OBJECT_SCHEMES = ("s3", "gs", "az")
REMOTE_SCHEMES = (*WEB_SCHEMES, *OBJECT_SCHEMES)
DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST_URI = 8192

# Two letters at least, so that a one-letter scheme is taken for what it is: part of a path.
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


@dataclass(frozen=True, slots=True)
class Scope:
    """What the playlists of one input may point to: files under one folder, or one host."""

    folder: Path | None = None
    host: str | None = None


def is_remote(uri: str) -> bool:
    match = SCHEME.match(uri)
    return match is not None and match[1].lower() in REMOTE_SCHEMES


def is_object(uri: str) -> bool:
    """Whether it lies in an object store."""
    return _scheme_of(uri) in OBJECT_SCHEMES


def joined(base: str, reference: str) -> str:
    """Return the absolute form of a reference. Raises ValueError."""
    if not is_object(base) or SCHEME.match(reference):
        return urljoin(base, reference)
    # urljoin knows how to join what it takes for http, and nothing else.
    scheme = _scheme_of(base)
    return scheme + urljoin("http" + base[len(scheme) :], reference).removeprefix("http")


def shown(uri: str) -> str:
    """Return a URI as it may be shown: a path for local files; no credentials, no query of remote ones."""
    if uri.startswith("file:"):
        return unquote(_file_parts(uri)[1])
    if not is_remote(uri):
        return uri[:200]
    try:
        parts = urlsplit(uri)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return uri[:200]
    # Queries carry signatures and tokens of CDNs.
    return urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", ""))


def host_of(uri: str) -> str:
    """Return the host in the form in which hosts are compared: a bucket is ``s3://name``.

    Raises:
        NotAllowed: There is none, or it is one that can be read in two ways.
    """
    try:
        parts = urlsplit(uri)
        host, _ = (parts.hostname or "").rstrip(".").lower(), parts.port
    except ValueError as exc:
        raise NotAllowed(f"{shown(uri)}: the address cannot be read ({exc}); correct it") from exc
    if not host:
        raise NotAllowed(f"{shown(uri)}: the address names no host; correct it")
    # Clients disagree on what these mean, and could connect to another host than the one that was checked.
    if "\\" in parts.netloc or not host.isprintable() or " " in host:
        raise NotAllowed(f"{shown(uri)}: the host of the address cannot be read; correct it")
    return f"{_scheme_of(uri)}://{host}" if is_object(uri) else host


def port_of(uri: str) -> int:
    return urlsplit(uri).port or DEFAULT_PORTS.get(_scheme_of(uri), 0)


class Access:
    """The allow-list of one fetcher. It grows by what the user names, never by what a playlist says."""

    def __init__(self, limits: FetchLimits, folders: Iterable[Path] = ()) -> None:
        self._limits = limits
        self._folders = {Path(os.path.realpath(folder)) for folder in folders}
        self._files: set[Path] = set()
        self._named_hosts: set[str] = set()
        self._named_ports: set[tuple[str, int]] = set()
        self._public: set[str] = set()

    def admit_folder(self, folder: Path) -> Scope:
        """Allow all below a folder that the user named."""
        self._check_scheme("file", str(folder))
        real = Path(os.path.realpath(folder))
        self._folders.add(real)
        return Scope(folder=real)

    def admit_file(self, path: Path) -> str:
        """Allow one file that the user named, and return its URI."""
        self._check_scheme("file", str(path))
        self._files.add(Path(os.path.realpath(path)))
        return absolute(path).as_uri()

    def admit_url(self, url: str) -> Scope:
        """Allow the host of an address that the user named, unless the settings list others."""
        self._check_scheme(_scheme_of(url), url)
        host = host_of(url)
        if self._limits.hosts and not self._listed(host):
            raise NotAllowed(f"{shown(url)}: host {host} is not in RUNGWATCH_FETCH_HOSTS; add it there to read from it")
        self._named_hosts.add(host)
        self._named_ports.add((host, port_of(url)))
        self._check_number(url, host)
        return Scope(host=host)

    def follow(self, reference: str, base: str, scope: Scope) -> str:
        """Return the absolute URI of what a playlist at `base` points to. Raises NotAllowed, NotFound."""
        reference = reference.strip()
        if not reference or "\0" in reference or len(reference) > LONGEST_URI:
            raise NotAllowed(f"{shown(base)} points to {reference[:80]!r}, which is no usable address")
        if is_remote(base):
            return self._follow_remote(reference, base, scope)
        match = SCHEME.match(reference)
        if match and match[1].lower() in REMOTE_SCHEMES:
            self._check_host(reference, scope)
            return reference
        if (match and match[1].lower() != "file") or reference.startswith("//"):
            raise NotAllowed(
                f"{shown(base)} points to {reference[:200]}, which is neither a file nor http(s): not read"
            )
        return self._follow_local(reference, base, scope)

    def redirect(self, location: str, url: str) -> str:
        """Return where a redirect leads. Raises NotAllowed where that is another host that is not listed."""
        try:
            target = joined(url, location)
            if _scheme_of(target) not in WEB_SCHEMES:
                raise NotAllowed(f"{shown(url)}: redirected to {shown(target)}, which is not http(s): not read")
        except ValueError as exc:
            raise NotAllowed(f"{shown(url)}: redirected to an address that cannot be read ({exc})") from exc
        self._check_host(target, Scope(host=host_of(url)))
        return target

    def check_remote(self, url: str) -> None:
        """Raise NotAllowed where nobody allowed this host."""
        self._check_scheme(_scheme_of(url), url)
        host = host_of(url)
        if not self._listed(host) and (self._limits.hosts or host not in self._named_hosts):
            raise NotAllowed(
                f"{shown(url)}: host {host} is not allowed; add it to RUNGWATCH_FETCH_HOSTS to read from it"
            )
        self._check_number(url, host)

    def connectable(self, host: str, port: int, addresses: Sequence[str]) -> Sequence[str]:
        """Return the addresses of a host that may be connected to. Raises NotAllowed where none may."""
        host = host.rstrip(".").lower()
        # A name that leads to the web once, and inside the next time, is an attack (DNS rebinding).
        if any(reach(_address(address))[0] is Reach.PUBLIC for address in addresses):
            self._public.add(host)
        allowed = [address for address in addresses if self._refused(host, port, address) is None]
        if not allowed and addresses:
            raise NotAllowed(
                f"{host} leads to {addresses[0]} ({self._refused(host, port, addresses[0])}): not read; "
                f"set RUNGWATCH_FETCH_PRIVATE_HOSTS='[\"{host}\"]' if it is meant"
            )
        return allowed

    def local_path(self, uri: str) -> Path:
        """Return the real path of a local file. Raises NotAllowed where it is outside of what was named."""
        self._check_scheme("file", uri)
        path = as_path(uri)
        real = Path(os.path.realpath(path))
        if real in self._files or any(real.is_relative_to(folder) for folder in self._folders):
            return real
        raise NotAllowed(f"{path} lies outside of the folders that were named; name its folder to read it")

    def _follow_remote(self, reference: str, base: str, scope: Scope) -> str:
        try:
            target = joined(base, reference)
        except ValueError as exc:
            raise NotAllowed(f"{shown(base)} points to an address that cannot be read ({exc})") from exc
        scheme = _scheme_of(target)
        if scheme not in WEB_SCHEMES and not (is_object(target) and scheme == _scheme_of(base)):
            raise NotAllowed(
                f"{shown(base)} points to {shown(target)}: what comes from the network may only point to http(s)"
            )
        self._check_host(target, scope)
        return target

    def _follow_local(self, reference: str, base: str, scope: Scope) -> str:
        folder = as_path(base).parent
        if reference.lower().startswith("file:"):
            host, reference = _file_parts(reference)
            if host not in ("", "localhost"):
                raise NotAllowed(f"{shown(base)} points to a file of another machine ({host}): not read")
        # As a URI first; a name that was written as it is on disk ("a%20b.ts", "take#2.ts") second.
        path_only = re.split(r"[?#]", reference, maxsplit=1)[0]
        choices = [_decoded(path_only), _decoded(reference), reference]
        if any("\0" in choice for choice in choices):
            raise NotAllowed(f"{shown(base)} points to {reference[:80]!r}, which is no usable address")
        paths = [absolute(folder / choice) for choice in dict.fromkeys(choices)]
        path = next((path for path in paths if os.path.exists(path)), paths[0])  # noqa: PTH110
        if scope.folder is None or not Path(os.path.realpath(path)).is_relative_to(scope.folder):
            raise NotAllowed(
                f"{shown(base)} points to {path}, outside of its folder: not read; "
                "move the files below the playlist's folder, or name a playlist further up"
            )
        return path.as_uri()

    def _check_host(self, url: str, scope: Scope) -> None:
        self._check_scheme(_scheme_of(url), url)
        host = host_of(url)
        # An address that the user named is allowed by itself only while the settings list no hosts.
        if not self._listed(host) and (self._limits.hosts or host != scope.host):
            raise NotAllowed(
                f"{shown(url)}: another host than the one that was named; "
                f"set RUNGWATCH_FETCH_HOSTS='[\"{host}\"]' (with all other hosts needed) to read from it"
            )
        self._check_number(url, host)

    def _check_number(self, url: str, host: str) -> None:
        """Raise NotAllowed for a host that is a number and leads where nobody meant to."""
        if _scheme_of(url) not in WEB_SCHEMES:
            return
        try:
            address = literal(host)
        except ValueError as exc:
            raise NotAllowed(f"{shown(url)}: {exc}: not read; write the address plainly") from exc
        trouble = self._refused(host, port_of(url), str(address)) if address is not None else None
        if trouble:
            raise NotAllowed(
                f"{shown(url)}: {host} is a {trouble} address: not read; "
                f"set RUNGWATCH_FETCH_PRIVATE_HOSTS='[\"{host}\"]' if it is meant"
            )

    def _refused(self, host: str, port: int, address: str) -> str | None:
        """Return what is wrong with an address of a host; None: it may be connected to."""
        kind, word = reach(_address(address))
        entries = {entry.strip("[]").rstrip(".").lower() for entry in self._limits.private_hosts}
        if kind is Reach.PUBLIC or host in entries or (kind is Reach.PRIVATE and "*" in entries):
            return None
        is_plain = host == "localhost" or _is_number(host)
        # Who writes a number means that address; who writes a name does not know where it will lead.
        if is_plain and self._listed(host, by_name=True):
            return None
        if (host, port) in self._named_ports and (is_plain or (kind is Reach.PRIVATE and host not in self._public)):
            return None
        return word

    def _listed(self, host: str, *, by_name: bool = False) -> bool:
        entries = (entry.strip("[]").rstrip(".").lower() for entry in self._limits.hosts)
        return any((entry == "*" and not by_name) or entry == host for entry in entries)

    def _check_scheme(self, scheme: str, uri: str) -> None:
        if scheme not in self._limits.schemes or scheme not in (*REMOTE_SCHEMES, "file"):
            allowed = ", ".join(self._limits.schemes)
            raise NotAllowed(
                f"{shown(uri)}: scheme {scheme or 'none'!r} is not allowed (RUNGWATCH_FETCH_SCHEMES: {allowed})"
            )


def absolute(path: Path) -> Path:
    """Return the path from the root, with ``..`` taken out by name; links are not followed."""
    # Not Path.absolute(): it keeps "..".
    return Path(os.path.abspath(path))  # noqa: PTH100


def as_path(uri: str) -> Path:
    """Return the path of a ``file:`` URI, or of a plain path. Raises NotFound where it cannot be one."""
    path = _decoded(_file_parts(uri)[1]) if uri.startswith("file:") else uri
    if "\0" in path:
        raise NotFound(f"{path!r} is not a path")
    return Path(path)


def _address(text: str) -> IPAddress:
    return ipaddress.ip_address(text)


def _is_number(host: str) -> bool:
    try:
        return literal(host) is not None
    except ValueError:
        return False


def _scheme_of(uri: str) -> str:
    match = SCHEME.match(uri)
    return match[1].lower() if match else ""


def _file_parts(uri: str) -> tuple[str, str]:
    """Return (host, encoded path) of a ``file:`` URI; by hand, because urlsplit raises on some hosts."""
    rest = uri[len("file:") :]
    if not rest.startswith("//"):
        return "", rest
    host, slash, path = rest[2:].partition("/")
    return host.lower(), slash + path


def _decoded(path: str) -> str:
    # File names may hold any bytes.
    return unquote(path, errors="surrogateescape")
