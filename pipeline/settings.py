"""Every limit and default, with the environment variable that sets it: the only reader of the environment."""

from pathlib import Path
from typing import Annotated, Literal
from urllib import request

from pydantic import Field, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class DecodeLimits(BaseSettings):
    """What one segment may cost, so that a hostile or broken file costs no more than itself.

    Set with ``RUNGWATCH_DECODE_...``, for example ``RUNGWATCH_DECODE_MAX_PIXELS=8294400``.
    """

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_DECODE_", frozen=True)

    max_segment_bytes: int = Field(default=512 * MIB, ge=1)
    """Bytes of one fetched segment (a plain local file is streamed and has no such limit)."""
    max_pixels: int = Field(default=8192 * 4352, ge=1)
    """Coded width x height of a picture."""
    max_frames: int = Field(default=7200, ge=1)
    """Pictures of one segment: a minute of 120 frames/s."""
    max_seconds: float = Field(default=120.0, gt=0)
    """Wall-clock seconds without a finished segment, after which the decoder is ended."""
    max_memory_bytes: int = Field(default=3072 * MIB, ge=256 * MIB)
    """Address space of a decoder process."""


def _proxies_of_the_environment() -> dict[str, SecretStr]:
    return {name: SecretStr(url) for name, url in request.getproxies_environment().items()}


class FetchLimits(BaseSettings):
    """What may be read, from where. Set with ``RUNGWATCH_FETCH_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_FETCH_", frozen=True)

    max_playlist_bytes: int = Field(default=16 * MIB, ge=1)
    max_segment_bytes: int = Field(default=512 * MIB, ge=1)
    timeout_seconds: float = Field(default=20.0, gt=0)
    """For connecting, and for every read."""
    total_seconds: float = Field(default=120.0, gt=0)
    """For one resource from first to last byte."""
    max_redirects: int = Field(default=5, ge=0)
    attempts: int = Field(default=3, ge=1)
    """Tries of what may pass (time-outs, 5xx, connection errors), with backoff."""
    schemes: tuple[str, ...] = ("http", "https", "file", "s3", "gs", "az")
    hosts: tuple[str, ...] = ()
    """Hosts that may be asked; empty: any host for what the user named, and only that host for what its
    playlists point to, unless `RUNGWATCH_FETCH_HOSTS='["*"]'` allows all."""
    roots: tuple[Path, ...] = ()
    """Folders below which a worker reads local files; empty: the one that it was started in. (What a user names on the
    command line of `score`, `watch` or `ingest` is allowed by that.)"""
    max_segments: int = Field(default=100_000, ge=1)
    """Segments of one rendition."""
    private_hosts: tuple[str, ...] = ()
    """Hosts that may lie at loopback, private or link-local addresses though no user named them; ``*``: all may lie at
    loopback and private addresses. Numbers and ``localhost`` in `hosts` need no entry here."""
    headers: dict[str, dict[str, SecretStr]] = Field(default_factory=dict)
    """What is sent along, host by host: ``{"cdn.example": {"Authorization": "Bearer ..."}}``."""
    proxies: dict[str, SecretStr] = Field(default_factory=_proxies_of_the_environment)
    """Proxy by scheme (``http``, ``https``, ``all``; ``no``: hosts asked directly); unset: HTTP_PROXY, HTTPS_PROXY,
    ALL_PROXY and NO_PROXY. A proxy resolves names itself: it must refuse private addresses itself."""
    connections: int = Field(default=256, ge=1)
    """Open at the same time, all hosts together."""

    def proxy_for(self, scheme: str, host: str) -> str | None:
        """Return the address of the proxy for a host, with its password; None: it is asked directly."""
        known = {name: url.get_secret_value() for name, url in self.proxies.items()}
        found = known.get(scheme) or known.get("all")
        is_direct = bool(request.proxy_bypass_environment(host, known))  # type: ignore[attr-defined]  # not in typeshed
        return None if is_direct or not found else found


class KafkaSettings(BaseSettings):
    """Where the bus is and how it is reached. Set with ``RUNGWATCH_KAFKA_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_KAFKA_", frozen=True)

    bootstrap: str = "localhost:9092"
    """Brokers to ask first: ``host:port,host:port``."""
    prefix: str = Field(default="rungwatch.", pattern=r"^[a-zA-Z0-9._-]*$")
    """Before the name of every topic and group, so that two installations can share a cluster."""
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ca_file: Path | None = None
    """Certificates that are trusted; None: those of the system."""
    certificate_file: Path | None = None
    """Of the client, with its key, where the brokers ask for one."""
    key_file: Path | None = None
    key_password: SecretStr | None = None
    check_hostname: bool = True
    sasl: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "PLAIN"
    username: str | None = None
    password: SecretStr | None = None
    oauth_token_url: str | None = None
    """OAUTHBEARER: where a token is asked for with the client credentials `username` and `password`."""
    oauth_scope: str | None = None
    instance_id: str | None = None
    """Static member of its group: a restart within `session_seconds` moves no partition. None: a passing member."""
    session_seconds: float = Field(default=15.0, ge=6, le=1800)
    """A member that is silent for so long is out."""
    request_seconds: float = Field(default=30.0, gt=0)
    replication: int = Field(default=-1, ge=-1, le=16)
    """Of topics that `rungwatch topics create` makes; -1: the cluster's default."""
    partitions: int = Field(default=12, ge=1, le=10_000)


class BusSettings(BaseSettings):
    """How messages are dealt with, whatever the bus. Set with ``RUNGWATCH_BUS_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_BUS_", frozen=True)

    in_flight: int = Field(default=64, ge=1)
    """Messages at work or waiting in a process; when as many are, its partitions are paused."""
    commit_seconds: float = Field(default=1.0, gt=0)
    retry_first_seconds: float = Field(default=0.5, gt=0)
    """First pause before a retry; it doubles."""
    retry_most_seconds: float = Field(default=30.0, gt=0)
    retry_total_seconds: float = Field(default=300.0, gt=0)
    """After so long a message that only ever failed goes to the dead letters (`rungwatch replay` brings it back). A bus
    or a Redis that is away does not count."""
    dead_share: float = Field(default=0.5, gt=0, le=1)
    """Of the last `dead_window` messages; more dead letters than that stop the process: it is more likely that it is
    broken than that they all are."""
    dead_window: int = Field(default=200, ge=1)
    dead_least: int = Field(default=50, ge=1)
    """Before so many dead letters the share is not looked at."""
    still_seconds: float = Field(default=60.0, gt=0)
    """A partition that lags and does not move for so long is given a fresh consumer; the third time in a row the
    process stops."""
    drain_seconds: float = Field(default=25.0, ge=0)
    """After SIGTERM: to finish what is at work."""


class RedisSettings(BaseSettings):
    """Where points live and for how long. Set with ``RUNGWATCH_REDIS_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_REDIS_", frozen=True)

    url: SecretStr = SecretStr("redis://localhost:6379/0")
    """``redis://``, ``rediss://`` (TLS), ``unix://``, ``redis+sentinel://host:port,host:port/service/db``,
    ``redis+cluster://host:port,host:port``; user and password as in ``redis://user:password@host``. ``s`` after
    ``redis`` means TLS in the other two as well."""
    ca_file: Path | None = None
    """Certificates that are trusted; None: those of the system."""
    certificate_file: Path | None = None
    """Of the client, with its key, where the server asks for one."""
    key_file: Path | None = None
    prefix: str = Field(default="rw", pattern=r"^[a-zA-Z0-9._-]+$")
    """Before every key."""
    raw_seconds: int = Field(default=48 * 3600, ge=3600)
    """How long single points are kept after they were last written."""
    minute_seconds: int = Field(default=30 * 86400, ge=3600)
    hour_seconds: int = Field(default=730 * 86400, ge=3600)
    timeout_seconds: float = Field(default=5.0, gt=0)


class PictureSettings(BaseSettings):
    """Small pictures of worst frames, kept in Redis. Set with ``RUNGWATCH_PICTURE_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_PICTURE_", frozen=True)

    each_hour: int = Field(default=12, ge=0, le=1000)
    """Of every rendition the worst of every hour, beside the newest; those with a fault (frozen, black, damaged) come
    first. 0: none is kept, nor made."""
    newest_seconds: float = Field(default=30.0, ge=0)
    """How often a rendition's newest picture is sent where it is not among the worst."""
    age_seconds: int = Field(default=48 * 3600, ge=60)
    """How long they are kept."""
    width_px: int = Field(default=320, ge=16, le=3840)
    """At most; never wider than the picture was. A picture 320 wide is some 12 KB (480: 18 KB), so that with 12 an hour
    a rendition takes some 4 MB a day."""
    most_bytes: int = Field(default=64 * 1024, ge=1024, le=MIB)
    """A larger picture is not kept."""


class ServiceSettings(BaseSettings):
    """A process that runs for long. Set with ``RUNGWATCH_SERVICE_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_SERVICE_", frozen=True)

    host: str = "127.0.0.1"
    """Address of the metrics and health endpoints; 0.0.0.0 in a container."""
    port: int = Field(default=0, ge=0, le=65_535)
    """0: no endpoints."""
    sheets: int = Field(default=256, ge=1)
    """Sheets of references kept in memory, about 1 MB each."""
    looks: int = Field(default=16, ge=1, le=1024)
    """Live presentations that are looked at in the same moment."""
    batch: int = Field(default=0, ge=0, le=1024)
    """Clips that the model gets at once, at most; 0: 16 on a GPU, 1 on the CPU, where more is not faster."""
    fleet_streams: int = Field(default=500, ge=1, le=20_000)
    """Streams that `rungwatch serve` tells to Prometheus one by one, those written last; the rest is only counted."""
    fleet_seconds: float = Field(default=86_400.0, gt=0)
    """A stream that was not written for so long is not told any more."""


class ApiSettings(BaseSettings):
    """The API and the page (`rungwatch serve`). Set with ``RUNGWATCH_API_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_API_", frozen=True)

    host: str = "127.0.0.1"
    """Address to serve at. Any but a loopback address needs a `token`."""
    port: int = Field(default=8090, ge=0, le=65_535)
    """0: any free one."""
    token: SecretStr | None = None
    """What every client must know, of 16 characters or more: ``Authorization: Bearer ...``; browsers are asked for it
    once. None: nobody is asked, which only a loopback address allows."""
    hosts: tuple[str, ...] = ()
    """Host names that requests may be for, besides those of loopback: needed behind a proxy on the same machine, and
    only with a `token`. With a token and nothing here, any name will do."""
    proxies: tuple[str, ...] = ()
    """Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; empty: none."""
    certificate_file: Path | None = None
    """To serve https, with its key."""
    key_file: Path | None = None
    session_seconds: int = Field(default=12 * 3600, ge=60)
    """For which a browser is not asked for the token again."""
    requests_per_second: float = Field(default=20.0, gt=0)
    """Of one client (of one /64 of IPv6), in the long run;"""
    requests_at_once: int = Field(default=200, ge=1)
    """and so many in a burst. Beyond that it is told to wait (429)."""
    logins_per_minute: int = Field(default=10, ge=1)
    """Tries of one client in the login form."""
    live_clients: int = Field(default=500, ge=1)
    """Listeners to live points, all together;"""
    live_clients_each: int = Field(default=50, ge=1)
    """and of one client address."""
    body_bytes: int = Field(default=64 * 1024, ge=1024)
    """Of a request."""


class ExportSettings(BaseSettings):
    """The store that `rungwatch export prometheus` writes to. Set with ``RUNGWATCH_EXPORT_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_EXPORT_", frozen=True)

    url: SecretStr | None = None
    """That takes Prometheus' remote write 1.0, such as ``http://localhost:9090/api/v1/write``."""
    username: str | None = None
    password: SecretStr | None = None
    bearer_token: SecretStr | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Sent along, such as ``{"X-Scope-OrgID": "video"}`` for a tenant."""
    ca_file: Path | None = None
    """Certificates that are trusted; None: those of the system."""
    certificate_file: Path | None = None
    """Of the client, with its key, where the store asks for one."""
    key_file: Path | None = None
    labels: dict[Annotated[str, StringConstraints(pattern=r"^[a-zA-Z][a-zA-Z0-9_]*$")], str] = Field(
        default_factory=dict
    )
    """That every series gets, such as ``{"site": "east"}``."""
    batch: int = Field(default=1000, ge=1, le=100_000)
    """Samples of one request, at most; a point is four."""
    timeout_seconds: float = Field(default=30.0, gt=0)
    retry_first_seconds: float = Field(default=0.5, gt=0)
    """First pause before a retry; it doubles, and is at least what the store asks for."""
    retry_most_seconds: float = Field(default=30.0, gt=0)
    past_seconds: float = Field(default=3600.0, gt=0)
    """Scores from Kafka that are older are left out. As Prometheus does by itself; with an out-of-order window there,
    as long as that."""
    future_seconds: float = Field(default=600.0, ge=0)
    """A segment whose clock is so far ahead is left out: Prometheus would refuse everything else from then on."""


class GrafanaSettings(BaseSettings):
    """Where Grafana is, and what it is told of where we are. Set with ``RUNGWATCH_GRAFANA_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_GRAFANA_", frozen=True)

    url: str = Field(default="http://localhost:3000", pattern=r"^https?://[^/@?#]+(/[^@?#]*)?$")
    """With the path below which it is served, if there is one."""
    token: SecretStr | None = None
    """Of a service account. `push` needs the role Admin, or the permissions that its errors name; `annotate` Editor."""
    user: str | None = None
    password: SecretStr | None = None
    """Instead of a token."""
    organization: int | None = Field(default=None, ge=1)
    """Which organization, where the user is in several; None: the user's own."""
    ca_file: Path | None = None
    """Certificates that are trusted; None: those of the system."""
    timeout_seconds: float = Field(default=10.0, gt=0)
    page_url: str = Field(default="http://localhost:8090", pattern=r"^https?://[^\s\"<>]+[^/\s\"<>]$")
    """Of our page, as browsers reach it: links of the dashboards go there."""
    api_url: str = Field(default="http://localhost:8090", pattern=r"^https?://[^\s\"<>]+[^/\s\"<>]$")
    """Of our API, as Grafana reaches it. Its token is RUNGWATCH_API_TOKEN."""
    prometheus_url: str = Field(default="http://localhost:9090", pattern=r"^https?://[^\s\"<>]+$")
    """Of Prometheus, as Grafana reaches it."""
    prometheus_uid: str = Field(default="rungwatch-prometheus", min_length=1, max_length=40)
    """Of the data source that is asked; another than ours: it is there already, and none is made."""
    annotate_seconds: float = Field(default=5.0, ge=0.2)
    """How often `rungwatch grafana annotate` looks for something new."""
    annotate_back_seconds: float = Field(default=86_400.0, ge=3600)
    """What was found longer ago is not sent any more."""


class IncidentSettings(BaseSettings):
    """From when on something is an incident. Set with ``RUNGWATCH_INCIDENT_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_INCIDENT_", frozen=True)

    still_seconds: float = Field(default=10.0, gt=0)
    """A stream of which every rung stands still for at least so long: longer than a title card usually is."""


class TraceSettings(BaseSettings):
    """Whether traces are sent. Where to and how is read by the SDK of OpenTelemetry from its own ``OTEL_...``."""

    model_config = SettingsConfigDict(env_prefix="OTEL_EXPORTER_OTLP_", frozen=True)

    endpoint: str | None = None
    """Of a collector, such as ``http://localhost:4318``. None, here and below: no traces."""
    traces_endpoint: str | None = None

    @property
    def is_on(self) -> bool:
        return bool(self.endpoint or self.traces_endpoint)


class Settings(BaseSettings):
    """All settings of the process."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_", frozen=True)

    decode: DecodeLimits = Field(default_factory=DecodeLimits)
    fetch: FetchLimits = Field(default_factory=FetchLimits)
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    bus: BusSettings = Field(default_factory=BusSettings)
    redis: RedisSettings = Field(default_factory=RedisSettings)
    pictures: PictureSettings = Field(default_factory=PictureSettings)
    service: ServiceSettings = Field(default_factory=ServiceSettings)
    export: ExportSettings = Field(default_factory=ExportSettings)
    incidents: IncidentSettings = Field(default_factory=IncidentSettings)
    traces: TraceSettings = Field(default_factory=TraceSettings)
    api: ApiSettings = Field(default_factory=ApiSettings)
    grafana: GrafanaSettings = Field(default_factory=GrafanaSettings)
    decoders: int = Field(default=0, ge=0, le=256)
    """Decoder processes; 0: one per usable core, at most 8."""
    state_folder: Path | None = None
    """Where `rungwatch watch` keeps its state; None: ``.local/state/rungwatch`` in the home folder."""


def load() -> Settings:
    """Read the settings from the environment (``RUNGWATCH_...``)."""
    return Settings()
