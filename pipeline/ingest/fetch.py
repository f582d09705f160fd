"""Reads bytes, local and over http(s), within limits: the only owner of the HTTP client."""

import io
import os
import random
import re
import shutil
import stat
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import httpx

from pipeline.errors import EmptyInput, LimitExceeded, NotAllowed, NotFound, Transient
from pipeline.ingest import connect
from pipeline.ingest.access import Access, host_of, is_object, is_remote, shown
from pipeline.ingest.body import decoded
from pipeline.ingest.decrypt import MOST_KEY_PAGE_BYTES, Keys, check_can_clear
from pipeline.ingest.objects import read_object
from pipeline.settings import FetchLimits
from schemas import ByteRange, EncryptionKey, Resource, Segment

# One init segment serves a whole rendition; 32 ladders' worth of rungs are kept, and none that is not small.
INIT_SEGMENTS_KEPT = 256
LARGEST_INIT_KEPT_BYTES = 256 * 1024

BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 8.0
# Of a pause, at random: clients that failed together do not come back together.
JITTER = 0.5

SETTLED_SECONDS = 2.0
REDIRECTS = (301, 302, 303, 307, 308)
MAY_PASS = (408, 425, 429)
REFUSED = (401, 403, 407, 451)


@dataclass(frozen=True, slots=True)
class Fetched:
    data: bytes
    uri: str
    """Where it came from in the end, after redirects: relative addresses inside start there."""
    etag: str | None = None
    last_modified: str | None = None
    server_seconds: float | None = None
    """What the server's clock said, whole seconds since the epoch, with the time in caches added; None: nothing."""
    seconds: float = 0.0
    """From asking to the last byte, tries that failed left out."""


@dataclass(frozen=True, slots=True)
class _Answer:
    uri: str
    headers: httpx.Headers
    seconds: float
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class _Ask:
    """What is asked for, beside the address."""

    byte_range: ByteRange | None = None
    method: str = "GET"
    compressed: bool = False
    """Accept gzip: for playlists, which shrink to a tenth."""
    known: Fetched | None = None

    def headers(self) -> dict[str, str]:
        # Bytes as they are otherwise: ranges count stored bytes, and segments do not shrink.
        found = {"Accept-Encoding": "gzip" if self.compressed else "identity", "User-Agent": "rungwatch"}
        if self.byte_range is not None:
            first = self.byte_range.offset
            found["Range"] = f"bytes={first}-{first + self.byte_range.length - 1}"
        if self.known is not None and self.known.etag:
            found["If-None-Match"] = self.known.etag
        if self.known is not None and self.known.last_modified:
            found["If-Modified-Since"] = self.known.last_modified
        return found


class _Later(Transient):
    """The server says when to come back."""

    def __init__(self, message: str, after_seconds: float) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class Fetcher:
    """Reads resources and segments; a context manager, which removes its temporary files at the end.

    What may be read is decided by `access`. Safe to use from several threads.
    """

    def __init__(
        self,
        limits: FetchLimits,
        *,
        folders: Iterable[Path] = (),
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance`: in [0, 1), how much of a pause's jitter is taken."""
        self.access = Access(limits, folders)
        self._limits = limits
        self._sleep = sleep
        self._chance = chance
        # By scheme, and proxy; None: the hosts are asked themselves.
        self._clients: dict[tuple[str, str | None], httpx.Client] = {}
        self._temporary: Path | None = None
        self._downloads: dict[str, tuple[Path, str]] = {}
        self._init_segments: OrderedDict[tuple[Resource, EncryptionKey | None], bytes] = OrderedDict()
        self._keys = Keys(lambda uri: self.read(Resource(uri=uri), max_bytes=MOST_KEY_PAGE_BYTES))
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
            if self._temporary is not None:
                shutil.rmtree(self._temporary, ignore_errors=True)
                self._temporary = None
            self._downloads.clear()

    def read(self, resource: Resource, *, max_bytes: int) -> bytes:
        """Return the bytes of a resource. Raises Rejected, or Transient after all attempts."""
        return self.fetch(resource, max_bytes=max_bytes).data

    def fetch(self, resource: Resource, *, max_bytes: int) -> Fetched:
        """Return the bytes of a resource and where they came from in the end."""
        if not is_remote(resource.uri):
            return Fetched(self._read_local(resource, max_bytes), resource.uri)
        sink = io.BytesIO()
        answer = self._get(resource.uri, _Ask(resource.byte_range), max_bytes, sink)
        return _fetched(sink.getvalue(), answer)

    def fetch_if_changed(
        self, resource: Resource, known: Fetched | None = None, *, max_bytes: int | None = None
    ) -> Fetched | None:
        """Return a playlist or manifest; None where it is what is `known` already."""
        most = self._limits.max_playlist_bytes if max_bytes is None else max_bytes
        if not is_remote(resource.uri):
            found = self.fetch(resource, max_bytes=most)
        else:
            sink = io.BytesIO()
            answer = self._get(resource.uri, _Ask(resource.byte_range, compressed=True, known=known), most, sink)
            if not answer.is_new:
                return None
            found = _fetched(sink.getvalue(), answer)
        same = known is not None and (found.data, found.uri) == (known.data, known.uri)
        return None if same else found

    def server_seconds(self, uri: str) -> float | None:
        """Return what a server's clock says, whole seconds since the epoch; None: it does not say."""
        return _clock_of(self._get(uri, _Ask(method="HEAD"), 0, io.BytesIO()).headers)

    def segment_bytes(self, segment: Segment) -> bytes:
        """Return init segment and media as one piece that can be decoded by itself."""
        for key in (segment.key, segment.init_key):
            if key is not None:
                check_can_clear(key, segment.media.uri)
        init = self._init_segment(segment.init, segment.init_key) if segment.init else b""
        media = self.read(segment.media, max_bytes=max(1, self._limits.max_segment_bytes - len(init)))
        if not media:
            raise EmptyInput(f"{shown(segment.media.uri)}: zero bytes; produce the segment anew")
        if segment.key is not None:
            media = self._keys.clear(media, segment.key, segment.number, segment.media.uri)
        return init + media

    def local_path(self, resource: Resource) -> Path | None:
        """Return the file that holds exactly this resource, None where it is a range or was not downloaded."""
        if resource.byte_range is not None:
            return None
        if is_remote(resource.uri):
            with self._lock:
                path, _ = self._downloads.get(resource.uri, (None, ""))
            return path
        path = self.access.local_path(resource.uri)
        with _open_regular(path):
            return path

    def download(self, uri: str) -> tuple[Path, str]:
        """Store a remote resource as a file until `close`; return it, and where it came from in the end."""
        with self._lock:
            if uri in self._downloads:
                return self._downloads[uri]
            if self._temporary is None:
                self._temporary = Path(tempfile.mkdtemp(prefix="rungwatch-"))
            folder = self._temporary
        handle, name = tempfile.mkstemp(dir=folder)
        path = Path(name)
        try:
            with os.fdopen(handle, "w+b") as sink:
                found = self._get(uri, _Ask(), self._limits.max_segment_bytes, sink).uri
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        with self._lock:
            self._downloads[uri] = (path, found)
        return path, found

    def _init_segment(self, resource: Resource, key: EncryptionKey | None) -> bytes:
        known = (resource, key)
        with self._lock:
            if known in self._init_segments:
                self._init_segments.move_to_end(known)
                return self._init_segments[known]
        data = self.read(resource, max_bytes=self._limits.max_segment_bytes)
        if key is not None:
            data = self._keys.clear(data, key, None, resource.uri)
        if len(data) <= LARGEST_INIT_KEPT_BYTES:
            with self._lock:
                self._init_segments[known] = data
                while len(self._init_segments) > INIT_SEGMENTS_KEPT:
                    self._init_segments.popitem(last=False)
        return data

    def _read_local(self, resource: Resource, max_bytes: int) -> bytes:
        path = self.access.local_path(resource.uri)
        byte_range = resource.byte_range
        if byte_range is not None:
            _check_length(byte_range, max_bytes, resource.uri)
        with _open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            try:
                if byte_range is None:
                    # One byte more than allowed: a file that grows meanwhile is found too big as well.
                    data = file.read(min(size, max_bytes) + 1)
                else:
                    offset = min(byte_range.offset, size)
                    file.seek(offset)
                    data = file.read(min(byte_range.length, size - offset))
                    _check_not_empty(data, byte_range, resource.uri)
            except OSError as exc:
                raise Transient(f"{path}: cannot be read ({exc.strerror}); check the disk") from exc
        if len(data) > max_bytes:
            raise _too_big(resource.uri, max_bytes)
        return data

    def _get(self, url: str, ask: _Ask, max_bytes: int, sink: BinaryIO) -> _Answer:
        """Write the body to `sink` and return what was answered; what may pass is tried again."""
        self.access.check_remote(url)
        if ask.byte_range is not None:
            _check_length(ask.byte_range, max_bytes, url)
        deadline = time.monotonic() + self._limits.total_seconds
        for attempt in range(1, self._limits.attempts + 1):
            sink.seek(0)
            sink.truncate()
            try:
                return self._get_once(url, ask, max_bytes, sink, deadline)
            except Transient as exc:
                pause = min(BACKOFF_SECONDS * 2 ** (attempt - 1), LONGEST_BACKOFF_SECONDS)
                pause *= 1 - JITTER * self._chance()
                if isinstance(exc, _Later):
                    pause = max(pause, min(exc.after_seconds, LONGEST_BACKOFF_SECONDS))
                if attempt == self._limits.attempts or time.monotonic() + pause >= deadline:
                    raise Transient(f"{exc} (attempts: {attempt}); try again later") from exc
                self._sleep(pause)
        raise AssertionError("attempts is at least 1")

    def _get_once(self, url: str, ask: _Ask, max_bytes: int, sink: BinaryIO, deadline: float) -> _Answer:
        started = time.monotonic()
        if is_object(url):
            read_object(url, ask.byte_range, max_bytes, sink)
            return _Answer(url, httpx.Headers(), time.monotonic() - started)
        named = url
        try:
            for _ in range(self._limits.max_redirects + 1):
                seconds = max(0.001, min(self._limits.timeout_seconds, deadline - time.monotonic()))
                host = _agreed_host(url)
                headers = ask.headers() | self._own_headers(host)
                with self._http(url, host).stream(ask.method, url, headers=headers, timeout=seconds) as response:
                    location = response.headers.get("location")
                    if response.status_code in REDIRECTS and location:
                        url = self.access.redirect(location, url)
                        continue
                    if response.status_code == 304 and ask.known is not None:
                        return _Answer(url, response.headers, time.monotonic() - started, is_new=False)
                    _check_status(response, url)
                    if ask.method == "GET":
                        # As it comes: asking for chunks of a size would wait for them beyond the deadline.
                        body = decoded(response.iter_raw(), response.headers.get("content-encoding", ""), shown(url))
                        timed = _until(deadline, body, url, self._limits.total_seconds)
                        _store(response, timed, ask.byte_range, max_bytes, sink, url)
                    return _Answer(url, response.headers, time.monotonic() - started)
        except (httpx.InvalidURL, UnicodeError) as exc:
            raise NotAllowed(f"{shown(url)}: the address cannot be used ({exc}); correct it") from exc
        except httpx.TimeoutException as exc:
            if time.monotonic() >= deadline:
                raise _too_slow(url, self._limits.total_seconds) from exc
            raise Transient(
                f"{shown(url)}: no answer within {self._limits.timeout_seconds:g} s (RUNGWATCH_FETCH_TIMEOUT_SECONDS)"
            ) from exc
        except httpx.RequestError as exc:
            if "location header" in str(exc):
                raise NotAllowed(f"{shown(url)}: redirected to an address that cannot be read: not read") from exc
            raise Transient(f"{shown(url)}: {str(exc) or type(exc).__name__}") from exc
        raise LimitExceeded(
            f"{shown(named)}: more than {self._limits.max_redirects} redirects (RUNGWATCH_FETCH_MAX_REDIRECTS); "
            "name the address that they lead to"
        )

    def _own_headers(self, host: str) -> dict[str, str]:
        own = {name.rstrip(".").lower(): values for name, values in self._limits.headers.items()}.get(host, {})
        return {name: value.get_secret_value() for name, value in own.items()}

    def _http(self, url: str, host: str) -> httpx.Client:
        scheme = url.partition(":")[0].lower()
        proxy = self._limits.proxy_for(scheme, host)
        with self._lock:
            if (scheme, proxy) not in self._clients:
                most = self._limits.connections
                if proxy is None:
                    transport = connect.direct(self.access.connectable, most, tls=scheme == "https")
                else:
                    transport = connect.through(proxy, most)
                # Redirects are followed here, one by one, because each must be allowed first; the environment is
                # the settings' to read.
                self._clients[scheme, proxy] = httpx.Client(
                    transport=transport, follow_redirects=False, trust_env=False
                )
            return self._clients[scheme, proxy]


def _agreed_host(url: str) -> str:
    """Return the host, once more and from the client: it must not read the address in another way than `access`."""
    host = host_of(url)
    seen = httpx.URL(url)
    if host not in (seen.host.rstrip(".").lower(), seen.raw_host.decode("ascii").rstrip(".").lower()):
        raise NotAllowed(f"{shown(url)}: the host of the address can be read in two ways; correct it")
    return host


def _fetched(data: bytes, answer: _Answer) -> Fetched:
    headers = answer.headers
    return Fetched(
        data,
        answer.uri,
        etag=headers.get("etag"),
        last_modified=_told_apart(headers),
        server_seconds=_clock_of(headers),
        seconds=answer.seconds,
    )


def _clock_of(headers: httpx.Headers) -> float | None:
    moment = _moment(headers.get("date", ""))
    if moment is None:
        return None
    age = headers.get("age", "0")
    return moment + (int(age) if re.fullmatch(r"\d{1,9}", age) else 0)


def _told_apart(headers: httpx.Headers) -> str | None:
    """Return Last-Modified where it tells one version from the next; None: it may not, or is not stated.

    It counts whole seconds: of what was written in the second in which it was sent another version may follow in that
    second, which would then never be seen (RFC 9110 8.8.2.2).
    """
    stated = headers.get("last-modified", "")
    modified, sent = _moment(stated), _moment(headers.get("date", ""))
    return stated if modified is not None and sent is not None and sent - modified >= SETTLED_SECONDS else None


def _moment(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _open_regular(path: Path) -> BinaryIO:
    """Open a regular file. Raises NotFound, NotAllowed, Transient; never waits on a pipe or a device."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise NotFound(f"{path}: not there; check the path") from exc
    except PermissionError as exc:
        raise NotAllowed(f"{path}: no permission to read it; change its mode or owner") from exc
    except OSError as exc:
        raise NotFound(f"{path}: cannot be opened ({exc.strerror}); check the path") from exc
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotAllowed(f"{path}: not a regular file; name a file")
    return os.fdopen(handle, "rb")


def _check_status(response: httpx.Response, url: str) -> None:
    status = response.status_code
    if status in (200, 203, 206):
        return
    answer = f"{shown(url)}: the server answered {status} {response.reason_phrase}".rstrip()
    if status >= 500 or status in MAY_PASS:
        after = response.headers.get("retry-after", "")
        raise _Later(answer, float(after)) if re.fullmatch(r"\d{1,6}", after) else Transient(answer)
    if status in REFUSED:
        raise NotAllowed(f"{answer}; check the credentials or the token in the address")
    raise NotFound(f"{answer}; check the address")


def _until(deadline: float, chunks: Iterator[bytes], url: str, total_seconds: float) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        if time.monotonic() >= deadline:
            raise _too_slow(url, total_seconds)


def _store(
    response: httpx.Response,
    body: Iterator[bytes],
    byte_range: ByteRange | None,
    max_bytes: int,
    sink: BinaryIO,
    url: str,
) -> None:
    """Write what was asked for, and no more; what the server states of its size is not trusted."""
    if byte_range is None:
        if re.fullmatch(r"\d{1,30}", stated := response.headers.get("content-length", "")) and int(stated) > max_bytes:
            raise _too_big(url, max_bytes)
        stored = 0
        for chunk in body:
            stored += len(chunk)
            if stored > max_bytes:
                raise _too_big(url, max_bytes)
            sink.write(chunk)
        return
    # 200: the server knows no ranges and sends all from the start.
    ahead = byte_range.offset if response.status_code != 206 else 0
    if response.status_code == 206:
        range_sent = re.match(r"\s*bytes\s+(\d{1,18})-", response.headers.get("content-range", ""))
        if range_sent is None or int(range_sent[1]) != byte_range.offset:
            raise NotFound(
                f"{shown(url)}: the server answered with other bytes than those asked for; check its range support"
            )
    wanted = byte_range.length
    for chunk in body:
        part = chunk[ahead : ahead + wanted]
        ahead = max(0, ahead - len(chunk))
        wanted -= len(part)
        sink.write(part)
        if not wanted:
            return
    if wanted == byte_range.length:
        _check_not_empty(b"", byte_range, url)


def _check_length(byte_range: ByteRange, max_bytes: int, uri: str) -> None:
    if byte_range.length > max_bytes:
        raise _too_big(uri, max_bytes)


def _check_not_empty(data: bytes, byte_range: ByteRange, uri: str) -> None:
    if not data:
        raise NotFound(
            f"{shown(uri)}: no bytes from {byte_range.offset} on; the playlist does not fit the file, produce both anew"
        )


def _too_big(uri: str, max_bytes: int) -> LimitExceeded:
    return LimitExceeded(
        f"{shown(uri)}: more than {max_bytes} bytes; raise RUNGWATCH_FETCH_MAX_SEGMENT_BYTES "
        "(or RUNGWATCH_FETCH_MAX_PLAYLIST_BYTES for a playlist) if it is meant to be so big"
    )


def _too_slow(url: str, total_seconds: float) -> LimitExceeded:
    return LimitExceeded(
        f"{shown(url)}: not read within {total_seconds:g} s; raise RUNGWATCH_FETCH_TOTAL_SECONDS for a slow server"
    )
