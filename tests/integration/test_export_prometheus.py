"""Remote write into a real Prometheus: every sample at its segment's own time, and a bad one spoils no other."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from command_line import WAIT_SECONDS, Commands
from pydantic import SecretStr, ValidationError
from score_factory import scored
from series_factory import point, points
from services.prometheus import Prometheus
from services.redis_fixtures import Series

from pipeline.errors import Unavailable, UsageError
from pipeline.export import Exported, LeftOut, RemoteWrite, Sample, samples_of, why_left_out
from pipeline.export.wire import decoded
from pipeline.series import SeriesStore, connect
from pipeline.settings import ExportSettings
from pipeline.stream.kafka import KafkaBusProducer
from pipeline.stream.topics import Topics
from schemas import QualityPoint, TimeBasis
from workers.service.events import publication
from workers.service.exporting import Span, backfill

LIVE = TimeBasis.PROGRAM_DATE_TIME
NEVER = threading.Event()


class Seen:
    """An observer."""

    def __init__(self) -> None:
        self.samples = 0
        self.reasons: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()

    def written(self, samples: int) -> None:
        self.samples += samples

    def left_out(self, reason: str, samples: int) -> None:
        self.reasons[reason] += samples

    def asked(self, status: str, seconds: float) -> None:
        self.answers[status] += 1


class Receiver(BaseHTTPRequestHandler):
    """Answers as its server is told, and keeps what was sent."""

    server: "Store"
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((dict(self.headers), decoded(body)))
        status, headers, said = self.server.answer(decoded(body))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(said))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None: ...


Answering = Callable[[list[Sample]], tuple[int, dict[str, str], bytes]]


class Store(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.seen: list[tuple[dict[str, str], list[Sample]]] = []
        super().__init__(("127.0.0.1", 0), Receiver)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api/v1/write"


@contextmanager
def store(answer: Answering = lambda _: (204, {}, b"")) -> Iterator[Store]:
    with Store(answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def in_turn(*answers: tuple[int, dict[str, str], bytes]) -> Answering:
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def settings(url: str, **more: object) -> ExportSettings:
    quick = {"retry_first_seconds": 0.01, "retry_most_seconds": 0.05, "timeout_seconds": 10.0}
    return ExportSettings(url=SecretStr(url), **(quick | more))  # type: ignore[arg-type]


def samples(*of: QualityPoint, **labels: str) -> list[Sample]:
    return [sample for each in of for sample in samples_of(Exported.of(each), labels)]


def live(start_seconds: float, score: float = 80.0, **fixed: object) -> QualityPoint:
    return point(start_seconds, score, stream="news", time_basis=LIVE, **fixed)  # type: ignore[arg-type]


def written(prometheus: Prometheus, metric: str = "rungwatch_quality_score") -> dict[str, list[tuple[float, float]]]:
    """Return [(time, value)] by rendition."""
    return {
        each["metric"]["rendition"]: [(at, float(value)) for at, value in each["values"]]
        for each in prometheus.query(f"{metric}[4h]")
    }


@pytest.fixture(scope="module")
def windowless() -> Iterator[Prometheus]:
    with Prometheus() as started:
        yield started


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    with Prometheus(out_of_order="2h") as started:
        yield started


def test_every_sample_lies_at_the_millisecond_where_its_segment_starts(prometheus: Prometheus) -> None:
    now = round(time.time() - 60) + 0.123
    made = [live(now + 2 * index, 70 + index, rendition="720p", bitrate_bps=1_000_000 + index) for index in range(10)]
    with RemoteWrite(settings(prometheus.write_url), Seen()) as remote:
        assert remote.write(samples(*made, site="east"), NEVER) == {}
    assert written(prometheus)["720p"] == [(round(each.start_seconds, 3), each.score) for each in made]
    assert [value for _, value in written(prometheus, "rungwatch_quality_low")["720p"]] == [each.low for each in made]
    assert [value for _, value in written(prometheus, "rungwatch_quality_high")["720p"]] == [each.high for each in made]
    bitrates = written(prometheus, "rungwatch_quality_bitrate_bps")["720p"]
    assert [value for _, value in bitrates] == [each.bitrate_bps for each in made]
    (series,) = prometheus.query("rungwatch_quality_score[4h]")
    assert series["metric"] == {
        "__name__": "rungwatch_quality_score", "stream": "news", "rendition": "720p", "model": "nano",
        "display_height": "1080", "site": "east",
    }  # fmt: skip


def test_a_late_segment_is_written_inside_of_the_out_of_order_window(prometheus: Prometheus) -> None:
    now = round(time.time()) - 60
    seen = Seen()
    with RemoteWrite(settings(prometheus.write_url), seen) as remote:
        for start in (now - 10, now - 3000, now - 20):
            assert remote.write(samples(live(start)), NEVER) == {}
    assert [at for at, _ in written(prometheus)["720p"]] == [now - 3000, now - 20, now - 10]
    assert seen.samples == 12


def test_a_sample_older_than_the_window_is_left_out_though_prometheus_calls_it_its_own_error(
    prometheus: Prometheus,
) -> None:
    now, seen = round(time.time()) - 60, Seen()
    with RemoteWrite(settings(prometheus.write_url), seen) as remote:
        remote.write(samples(live(now)), NEVER)
        refused = remote.write(samples(live(now - 3 * 3600), live(now + 2)), NEVER)
    assert refused == {LeftOut.TOO_OLD: 4} == seen.reasons
    assert seen.answers["5xx"] > 0
    assert [at for at, _ in written(prometheus)["720p"]] == [now, now + 2]


def test_a_rescore_stays_out_and_the_good_samples_beside_it_are_written(
    windowless: Prometheus, caplog: pytest.LogCaptureFixture
) -> None:
    now, seen = round(time.time()) - 60, Seen()
    with RemoteWrite(settings(windowless.write_url), seen) as remote:
        remote.write(samples(live(now, 80, rendition="again")), NEVER)
        new = [live(now + 2, 90, rendition="again"), live(now, 50, rendition="beside")]
        refused = remote.write(samples(live(now, 60, rendition="again"), *new), NEVER)
    # Score, low and high differ; the bitrate does not, and a repeat of the same value is no error.
    assert refused == {LeftOut.DUPLICATE: 3} == seen.reasons
    assert written(windowless)["again"] == [(now, 80.0), (now + 2, 90.0)]
    assert written(windowless)["beside"] == [(now, 50.0)]
    assert caplog.text.count("refuses a sample (duplicate)") == 1


def test_inside_of_the_window_prometheus_takes_a_rescore_without_a_word_and_shows_one_of_the_two(
    prometheus: Prometheus,
) -> None:
    now, seen = round(time.time()) - 60, Seen()
    with RemoteWrite(settings(prometheus.write_url), seen) as remote:
        remote.write(samples(live(now, 80), live(now + 2, 90)), NEVER)
        assert remote.write(samples(live(now, 60)), NEVER) == {}
    (at, value), last = written(prometheus)["720p"]
    assert (at, last) == (now, (now + 2, 90.0))
    assert value in (80.0, 60.0)


def test_without_a_window_an_older_sample_is_out_of_order_and_counted(windowless: Prometheus) -> None:
    now = round(time.time()) - 60
    with RemoteWrite(settings(windowless.write_url), Seen()) as remote:
        remote.write(samples(live(now, rendition="order")), NEVER)
        refused = remote.write(samples(live(now - 4, rendition="order"), live(now + 2, rendition="order")), NEVER)
    assert refused == {LeftOut.OUT_OF_ORDER: 4}
    assert [at for at, _ in written(windowless)["order"]] == [now, now + 2]


def test_a_store_that_is_away_is_waited_for(prometheus: Prometheus) -> None:
    prometheus.stop()
    now, seen = round(time.time()) - 60, Seen()
    with RemoteWrite(settings(prometheus.write_url), seen) as remote:
        thread = threading.Thread(target=remote.write, args=(samples(live(now)), NEVER))
        thread.start()
        until = time.monotonic() + 30
        while remote.away is None and time.monotonic() < until:
            time.sleep(0.01)
        assert "ConnectError" in (remote.away or "")
        prometheus.start()
        thread.join(30)
        assert remote.away is None
    assert seen.answers["none"] > 0
    assert written(prometheus)["720p"] == [(now, 80.0)]


def test_a_point_far_in_the_future_is_never_sent_because_prometheus_would_refuse_all_others() -> None:
    now = 1_800_000_000.0
    assert why_left_out(Exported.of(live(now + 3600)), now, 3600, 600) is LeftOut.FUTURE
    assert why_left_out(Exported.of(live(now + 300)), now, 3600, 600) is None
    assert why_left_out(Exported.of(live(now - 3700)), now, 3600, 600) is LeftOut.TOO_OLD


def test_media_time_has_no_place_on_the_clock() -> None:
    assert why_left_out(Exported.of(point(4.0)), 10.0, 3600, 600) is LeftOut.NO_CLOCK


def test_of_two_values_for_one_moment_in_one_request_the_later_one_is_sent() -> None:
    seen = Seen()
    with store() as there, RemoteWrite(settings(there.url), seen) as remote:
        remote.write(samples(live(1000.0, 50), live(1000.0, 60)), NEVER)
    sent = {dict(each.labels)["__name__"]: each.value for each in there.seen[0][1]}
    assert sent["rungwatch_quality_score"] == 60.0
    assert seen.reasons == {LeftOut.DUPLICATE: 4}


def test_a_request_is_what_the_specification_asks_for() -> None:
    login = {"headers": {"X-Scope-OrgID": SecretStr("video")}, "bearer_token": SecretStr("hush")}
    with store() as there, RemoteWrite(settings(there.url, **login), Seen()) as remote:
        remote.write(samples(live(1002.0), live(1000.0)), NEVER)
    headers, sent = there.seen[0]
    assert headers["Content-Encoding"] == "snappy"
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert (headers["X-Scope-OrgID"], headers["Authorization"]) == ("video", "Bearer hush")
    for each in sent:
        names = [name for name, _ in each.labels]
        assert names == sorted(names)
    by_series: dict[object, list[int]] = {}
    for each in sent:
        by_series.setdefault(each.labels, []).append(each.time_ms)
    assert set(map(tuple, by_series.values())) == {(1_000_000, 1_002_000)}


def test_a_name_and_a_password_are_sent_as_basic_authentication_and_are_in_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    login = {"username": "me", "password": SecretStr("hush-hush")}
    with store(in_turn((500, {}, b""), (204, {}, b""))) as there:
        given = settings(there.url.replace("//", "//user:also-secret@"), **login)
        with RemoteWrite(given, Seen()) as remote:
            remote.write(samples(live(1000.0)), NEVER)
            assert "secret" not in remote.where
        assert there.seen[0][0]["Authorization"] == httpx.BasicAuth("me", "hush-hush")._auth_header
        assert "secret" not in repr(given)
    assert "answers 500" in caplog.text
    assert not any(secret in caplog.text for secret in ("hush-hush", "also-secret"))


@pytest.mark.parametrize("status", [429, 503], ids=str)
def test_a_store_that_asks_for_patience_gets_it(status: int) -> None:
    with store(in_turn((status, {"Retry-After": "1"}, b"slow down"), (204, {}, b""))) as there:
        began = time.monotonic()
        with RemoteWrite(settings(there.url), Seen()) as remote:
            assert remote.write(samples(live(1000.0)), NEVER) == {}
        assert time.monotonic() - began >= 1.0
    assert len(there.seen) == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("Fri, 15 Jan 2027 08:01:40 GMT", 100.0), ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0), ("soon", 0.0)],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float) -> None:
    with RemoteWrite(settings("http://localhost/w"), Seen(), now_seconds=lambda: 1_800_000_000.0) as remote:
        assert remote._retry_after(text) == seconds


def test_what_a_store_refuses_is_found_by_halving_and_the_rest_is_written() -> None:
    def picky(sent: list[Sample]) -> tuple[int, dict[str, str], bytes]:
        return (409, {}, b"no thirteen") if any(each.value == 13.0 for each in sent) else (200, {}, b"")

    with store(picky) as there, RemoteWrite(settings(there.url, batch=64), Seen()) as remote:
        made = samples(*(live(1000.0 + 2 * index, 13.0 if index == 20 else 80.0) for index in range(100)))
        assert remote.write(made, NEVER) == {LeftOut.REFUSED: 1}
    accepted = [each for _, sent in there.seen if picky(sent)[0] == 200 for each in sent]
    assert len(accepted) == len(set(accepted)) == len(made) - 1
    for series in {each.labels for each in accepted}:
        times = [each.time_ms for each in accepted if each.labels == series]
        assert times == sorted(times)


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "BEARER_TOKEN"), (404, "--web.enable-remote-write-receiver"), (302, "--url")]
)
def test_a_store_that_does_not_let_us_in_ends_it_with_advice(status: int, advice: str) -> None:
    with (
        store(in_turn((status, {}, b"no"))) as there,
        RemoteWrite(settings(there.url), Seen()) as remote,
        pytest.raises(UsageError, match=advice),
    ):
        remote.write(samples(live(1000.0)), NEVER)


@pytest.mark.parametrize("url", ["", "localhost:9090", "ftp://x/y", "http://[::1", "http:///w"])
def test_an_address_that_is_none_is_said_at_once(url: str) -> None:
    with pytest.raises(UsageError, match="http://localhost:9090/api/v1/write"):
        RemoteWrite(settings(url), Seen())


def test_stopping_while_the_store_is_away_leaves_the_work_open() -> None:
    stop = threading.Event()
    with (
        store(in_turn((503, {"Retry-After": "60"}, b"busy"))) as there,
        RemoteWrite(settings(there.url), Seen()) as remote,
    ):
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(Unavailable, match="503"):
            remote.write(samples(live(1000.0)), stop)


def test_a_label_of_the_settings_must_be_one() -> None:
    with pytest.raises(ValidationError):
        ExportSettings(labels={"a-b": "c"})


def test_a_backfill_writes_what_redis_holds_of_the_span_and_of_streams_on_the_clock(
    series7: Series, prometheus: Prometheus
) -> None:
    now = round(time.time()) - 60
    first = now - 3600
    series7.store.write(
        [
            *points(range(50, 80), first, stream="news", time_basis=LIVE),
            *points([40.0], first, stream="news", rendition="360p", time_basis=LIVE),
            *points([90.0, 91.0], stream="film"),
        ]
    )
    given, seen = settings(prometheus.write_url, batch=16), Seen()
    with RemoteWrite(given, seen) as remote:
        done = backfill(series7.queries, remote, given, Span(first + 10, first + 50), NEVER)
        again = backfill(series7.queries, remote, given, Span(first + 10, first + 50), NEVER)
    assert (done.streams, done.points, done.refused, done.no_clock) == (1, 20, {}, ["film"])
    assert (again.points, again.refused) == (20, {})
    assert written(prometheus) == {"720p": [(first + 10 + 2 * index, 55.0 + index) for index in range(20)]}


def test_a_backfill_that_prometheus_is_too_young_for_says_what_to_change(
    series7: Series, windowless: Prometheus
) -> None:
    now = round(time.time()) - 60
    given = settings(windowless.write_url)
    with RemoteWrite(given, Seen()) as remote:
        remote.write(samples(live(now, rendition="young")), NEVER)
        series7.store.write(points([50.0] * 5, now - 7200, stream="news", rendition="young", time_basis=LIVE))
        with pytest.raises(UsageError, match="out_of_order_time_window"):
            backfill(series7.queries, remote, given, Span(None, None), NEVER)


def test_scores_from_kafka_are_written_and_what_prometheus_missed_comes_when_it_is_back(
    commands: Commands, tmp_path: Path
) -> None:
    now = round(time.time()) - 60
    topics = Topics(commands.kafka.prefix)

    def score(*starts: float) -> None:
        with closing(KafkaBusProducer(commands.kafka)) as producer:
            for start in starts:
                record = scored(70, stream="news", start=float(start), media_start=0.0, time_basis=LIVE)
                producer.send(publication(topics.scores, record, "test"), lambda error: None)
            producer.flush(30)

    with Prometheus(out_of_order="2h") as there:
        with commands.running("export", "prometheus", "--url", there.write_url):
            score(now - 60, now - 58)
            until_written(there, 2)
            there.stop()
            score(now - 56)
            time.sleep(1)
            there.start()
            until_written(there, 3)
        # What was committed does not come again; what comes in between does.
        score(now - 54)
        with commands.running("export", "prometheus", "--url", there.write_url):
            until_written(there, 4)
        (rung,) = written(there).values()
        assert [at for at, _ in rung] == [now - 60, now - 58, now - 56, now - 54]


def until_written(prometheus: Prometheus, count: int) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while sum(map(len, written(prometheus).values())) < count:
        assert time.monotonic() < end, written(prometheus)
        time.sleep(0.1)


def test_the_command_writes_what_redis_holds_and_says_how_it_went(commands: Commands, prometheus: Prometheus) -> None:
    now = round(time.time()) - 60
    with closing(connect(commands.redis)) as link:
        store = SeriesStore(link, commands.redis)
        store.write([*points([70.0, 71.0], now, stream="news", time_basis=LIVE), *points([90.0], stream="film")])
    words = ("export", "prometheus", "--url", prometheus.write_url)
    done = commands.run(*words, "--from", "1h")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 points of 1 stream"), done.stderr
    assert written(prometheus)["720p"] == [(now, 70.0), (now + 2, 71.0)]
    nothing = commands.run(*words, "--from", "1h", "--stream", "film")
    assert (nothing.returncode, "media time" in nothing.stderr) == (4, True)
    wrong = commands.run("export", "prometheus", "--url", f"{prometheus.url}/nowhere", "--from", "1h")
    assert (wrong.returncode, "--web.enable-remote-write-receiver" in wrong.stderr) == (2, True)
    alone = commands.run(*words, "--stream", "news")
    assert alone.returncode == 2
