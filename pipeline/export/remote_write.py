"""Writes samples to a store by Prometheus' remote write 1.0: waits where it is away, isolates what it refuses."""

import email.utils
import logging
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol, Self
from urllib.parse import urlsplit

import httpx

from pipeline.errors import Unavailable, UsageError
from pipeline.export.samples import LeftOut, Sample
from pipeline.export.wire import HEADERS, encoded
from pipeline.settings import ExportSettings

log = logging.getLogger(__name__)

REFUSALS = frozenset({400, 409, 413, 422})
"""Answers that are about what was sent: 409 is Thanos', 413 and 422 are of gateways."""
PASSING = frozenset({408, 425, 429})
"""Beside all of 500 and more."""
LONGEST_PAUSE_SECONDS = 300.0
"""However long Retry-After asks for."""
ANSWER_BYTES = 4096
"""That are read of an answer; what a store refuses it says in a line."""

_KINDS = (
    # What Prometheus says, then Mimir and Cortex, then Thanos.
    ("duplicate sample", LeftOut.DUPLICATE),
    ("duplicate-timestamp", LeftOut.DUPLICATE),
    ("new value for timestamp", LeftOut.DUPLICATE),
    ("too old", LeftOut.TOO_OLD),
    ("out of bounds", LeftOut.TOO_OLD),
    ("too-old", LeftOut.TOO_OLD),
    ("out of order", LeftOut.OUT_OF_ORDER),
    ("out-of-order", LeftOut.OUT_OF_ORDER),
)


class ExportObserver(Protocol):
    """Is told what becomes of samples."""

    def written(self, samples: int) -> None: ...

    def left_out(self, reason: LeftOut, samples: int) -> None: ...

    def asked(self, status: str, seconds: float) -> None:
        """One request was answered; `status`: `2xx`, or `none` where no answer came."""


class RemoteWrite:
    """One store at one address. One thread at a time."""

    def __init__(
        self,
        settings: ExportSettings,
        observer: ExportObserver,
        *,
        proxy: str | None = None,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        """
        Raises:
            UsageError: There is no address, or it or a certificate cannot be used.
        """
        self._url = _checked(settings)
        self._settings, self._observer, self._now_seconds = settings, observer, now_seconds
        self._chance = random.Random()
        self._is_said: set[tuple[LeftOut, str]] = set()
        self.away: str | None = None
        """Why the store does not take anything; None: it does, as far as is known."""
        self._client = httpx.Client(
            timeout=settings.timeout_seconds,
            headers=HEADERS | _headers(settings),
            auth=_login(settings),
            verify=_certificates(settings),
            proxy=proxy,
            trust_env=False,
        )

    @property
    def where(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"

    def write(self, samples: Sequence[Sample], stop: threading.Event) -> Counter[LeftOut]:
        """Write samples, and return how many the store refused for good. Waits while it is away.

        A refusal is of a request as a whole: it is halved until what is wrong stands alone (prometheus #9214), the
        earlier half first, so that the order in time stays.

        Raises:
            Unavailable: `stop` was set while the store was away; nothing is known of what is not counted.
            UsageError: The store does not let us in, or there is none.
        """
        refused: Counter[LeftOut] = Counter()
        newest = {(sample.labels, sample.time_ms): sample for sample in samples}
        replaced = len(samples) - len(newest)
        if replaced:
            # Of two values for one moment in one request none is the later one for a store; for us it is.
            self._leave_out(LeftOut.DUPLICATE, replaced, "another value for the same moment came right behind it")
            refused[LeftOut.DUPLICATE] += replaced
        every = sorted(newest.values(), key=lambda sample: sample.time_ms)
        most = self._settings.batch
        parts = [every[first : first + most] for first in range(0, len(every), most)]
        while parts:
            part = parts.pop(0)
            refusal = self._put(part, stop)
            if refusal is None:
                self._observer.written(len(part))
            elif len(part) == 1:
                reason = _kind(refusal) or LeftOut.REFUSED
                self._leave_out(reason, 1, refusal)
                refused[reason] += 1
            else:
                parts[:0] = [part[: len(part) // 2], part[len(part) // 2 :]]
        return refused

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _put(self, samples: Sequence[Sample], stop: threading.Event) -> str | None:
        """Return None where they are stored, else why they are refused; does not return while the store is away."""
        body, failures = encoded(samples), 0
        while True:
            status, said, retry_after = self._ask(body)
            if status is not None and 200 <= status < 300:
                self._is_away(None)
                return None
            # Prometheus 2.42 answers 500 to a sample that is too old, and would do so for ever.
            if status in REFUSALS or (status is not None and status >= 500 and _kind(said)):
                self._is_away(None)
                return said or f"it answers {status}"
            if status is not None and status < 500 and status not in PASSING:
                raise UsageError(self._not_let_in(status, said))
            failures += 1
            self._is_away(f"{self.where}: {said}" if status is None else f"{self.where} answers {status}: {said}")
            if stop.wait(max(self._pause_seconds(failures), min(retry_after, LONGEST_PAUSE_SECONDS))):
                raise Unavailable(f"{self.away}; what is not written comes again at the next start")

    def _ask(self, body: bytes) -> tuple[int | None, str, float]:
        """Return the status (None: there was no answer), what was said, and the seconds of Retry-After."""
        began = time.monotonic()
        try:
            with self._client.stream("POST", self._url, content=body) as response:
                said = b""
                for block in response.iter_bytes(ANSWER_BYTES):
                    said += block
                    if len(said) >= ANSWER_BYTES:
                        break
        except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as error:
            self._observer.asked("none", time.monotonic() - began)
            return None, f"{type(error).__name__}: {error}"[:300], 0.0
        self._observer.asked(f"{response.status_code // 100}xx", time.monotonic() - began)
        words = " ".join(said.decode(errors="replace").split())[:300]
        return response.status_code, words, self._retry_after(response.headers.get("Retry-After", ""))

    def _retry_after(self, text: str) -> float:
        """Return the pause asked for in seconds or as a date; what is neither asks for none."""
        if text.strip().isdecimal():
            return float(text)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - self._now_seconds())
        except (ValueError, TypeError, OverflowError):
            return 0.0

    def _pause_seconds(self, failures: int) -> float:
        settings = self._settings
        full = min(settings.retry_most_seconds, settings.retry_first_seconds * 2.0 ** min(failures - 1, 60))
        return full * self._chance.uniform(0.5, 1.0)

    def _is_away(self, reason: str | None) -> None:
        if reason is not None and self.away is None:
            log.warning("The store does not take samples, waiting for it: %s", reason)
        elif reason is None and self.away is not None:
            log.info("The store takes samples again.")
        self.away = reason

    def _leave_out(self, reason: LeftOut, samples: int, said: str) -> None:
        self._observer.left_out(reason, samples)
        if (reason, said) not in self._is_said and len(self._is_said) < 100:
            self._is_said.add((reason, said))
            log.warning(
                "%s refuses a sample (%s): %s. Others of this kind are only counted.", self.where, reason.value, said
            )

    def _not_let_in(self, status: int, said: str) -> str:
        advice = {
            401: "set RUNGWATCH_EXPORT_BEARER_TOKEN, or _USERNAME and _PASSWORD",
            403: "the login is known and may not write; see its rights, or RUNGWATCH_EXPORT_HEADERS for the tenant",
            404: "there is no remote write at this address; for Prometheus it is /api/v1/write, and Prometheus must be "
            "started with --web.enable-remote-write-receiver",
        }.get(status, "name the address that takes remote write 1.0, with --url")
        return f"{self.where} answers {status}{f' ({said})' if said else ''}: {advice}"


def _kind(said: str) -> LeftOut | None:
    return next((kind for words, kind in _KINDS if words in said), None)


def _checked(settings: ExportSettings) -> str:
    url = settings.url.get_secret_value() if settings.url else ""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(
            "no address to write to: give --url, or RUNGWATCH_EXPORT_URL, such as http://localhost:9090/api/v1/write"
            if not url
            else "the address to write to is none: it looks like http://localhost:9090/api/v1/write"
        )
    return url


def _headers(settings: ExportSettings) -> dict[str, str]:
    headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
    if settings.bearer_token is not None:
        if settings.username is not None:
            raise UsageError("set RUNGWATCH_EXPORT_BEARER_TOKEN or RUNGWATCH_EXPORT_USERNAME, not both")
        headers["Authorization"] = f"Bearer {settings.bearer_token.get_secret_value()}"
    return headers


def _login(settings: ExportSettings) -> httpx.BasicAuth | None:
    if settings.username is None:
        return None
    return httpx.BasicAuth(settings.username, settings.password.get_secret_value() if settings.password else "")


def _certificates(settings: ExportSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"a certificate for the store cannot be read ({error}); see RUNGWATCH_EXPORT_CA_FILE, _CERTIFICATE_FILE "
            "and _KEY_FILE"
        ) from error
    return context
