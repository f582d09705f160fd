"""The parts of the API that need no server: rates, sessions, times, cursors, thinning."""

import pytest
from api_served import TOKEN
from pydantic import SecretStr
from series_factory import point

from pipeline.api.answers import cursor, parts_of
from pipeline.api.problems import Refused
from pipeline.api.rates import CLIENTS_REMEMBERED, Rates, client_of
from pipeline.api.thinning import STEPS_SECONDS, fitting, step_for, thinned
from pipeline.api.times import as_time, length_of, moment_of
from pipeline.api.tokens import Tokens, is_loopback
from pipeline.history import Resolution, SeriesPoint
from schemas import FindingKind


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_client_may_burst_then_goes_at_its_rate() -> None:
    clock = Clock()
    rates = Rates(2.0, 3, clock)
    assert [rates.wait_seconds("a") for _ in range(5)] == [0, 0, 0, 1, 1]
    assert rates.wait_seconds("b") == 0
    clock.now += 0.5
    assert [rates.wait_seconds("a") for _ in range(2)] == [0, 1]
    clock.now += 100
    assert [rates.wait_seconds("a") for _ in range(4)] == [0, 0, 0, 1]


def test_clients_that_are_forgotten_cost_no_memory() -> None:
    rates = Rates(1.0, 1)
    for number in range(CLIENTS_REMEMBERED + 100):
        rates.wait_seconds(f"{number}")
    assert len(rates._buckets) == CLIENTS_REMEMBERED


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_a_host_of_ipv6_is_one_client(address: str, client: str) -> None:
    assert client_of(address) == client


def test_a_session_holds_for_its_time_and_token() -> None:
    clock = Clock()
    tokens = Tokens(SecretStr(TOKEN), 60, clock)
    session = tokens.session()
    assert tokens.is_authorized(None, session)
    assert not Tokens(SecretStr(TOKEN + "!"), 60, clock).is_session(session)
    assert not tokens.is_session(session.replace("1060", "9999"))
    clock.now += 60
    assert not tokens.is_session(session)


def test_a_wrong_header_is_not_made_good_by_a_session() -> None:
    tokens = Tokens(SecretStr(TOKEN), 60)
    assert not tokens.is_authorized("Bearer nothing", tokens.session())


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("example.com", False), ("", False), ("localhost.", False)],
)  # fmt: skip
def test_loopback_is_this_machine_only(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("text", "seconds", "is_date"),
    [
        ("12.5", 12.5, False),
        ("-3", -3, False),
        ("1970-01-01T00:01:00Z", 60, True),
        ("1970-01-01T00:01:00", 60, True),
        ("1970-01-01t01:01:00.5+01:00", 60.5, True),
        ("1970-01-01T01:01:00 01:00", 60, True),  # a + that nobody escaped
        ("1970-01-01T00:00:60Z", 60, True),
    ],
)
def test_moments_are_dates_or_seconds(text: str, seconds: float, is_date: bool) -> None:
    moment = moment_of(text)
    assert (moment.seconds, moment.is_date) == (seconds, is_date)


@pytest.mark.parametrize(
    "text", ["", "x", "nan", "inf", "1e300", "2026-02-30T00:00:00Z", "2026-03-01", "٣", "1_0", "0x10"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        moment_of(text)


def test_lengths_have_units() -> None:
    assert [length_of(text) for text in ("90s", "1.5m", "6h", "7d")] == [90, 90, 21_600, 604_800]
    for text in ("0s", "5", "5 m", "-5m", "1e9d", "999999999d", "٣m"):
        with pytest.raises(ValueError):
            length_of(text)


def test_times_are_rfc_3339_to_the_millisecond() -> None:
    assert as_time(1_772_395_200.25) == "2026-03-01T20:00:00.250Z"
    assert as_time(1e15) is None


def test_a_cursor_is_read_by_who_wrote_it_only() -> None:
    assert parts_of(cursor("worst", 1.5, "a/ü"), str, float, str) == ["worst", 1.5, "a/ü"]
    for text in ("", "x", "W10", "eyJ9", cursor("worst", "1.5", "a"), cursor(1), "-" * 999):
        with pytest.raises(Refused):
            parts_of(text, str, float, str)


@pytest.mark.parametrize("points", [10, 350, 1500, 10_000])
@pytest.mark.parametrize("length", [1.0, 3601.0, 86_400.0, 30 * 86_400.0, 3650 * 86_400.0])
def test_a_step_gives_no_more_values_than_asked_for(length: float, points: int) -> None:
    step = step_for(length, points)
    first = 0.999 * step  # the range begins at the end of a step: the most steps that it can touch
    assert (first + length) // step + 1 <= points


def test_longer_steps_are_made_of_whole_minutes_and_hours() -> None:
    assert list(STEPS_SECONDS) == sorted(STEPS_SECONDS)
    assert all(step % 60 == 0 for step in STEPS_SECONDS if step > 30)
    assert all(step % 3600 == 0 for step in STEPS_SECONDS if step > 1800)


@pytest.mark.parametrize(
    ("wanted", "hours", "points", "expected"),
    [
        ("auto", 1, 1500, "raw"),
        ("auto", 2, 1500, "minute"),
        ("auto", 12, 10_000, "minute"),
        ("auto", 200, 1500, "hour"),
        ("raw", 11, 10_000, "raw"),
        ("raw", 24, 1500, "minute"),
        ("raw", 24, 10, "hour"),
        ("auto", 168, 1500, "minute"),
        ("minute", 168, 1500, "minute"),
        ("minute", 1000, 1500, "hour"),
        ("hour", 1, 1500, "hour"),
    ],
)
def test_no_more_is_read_than_can_be_shown(wanted: str, hours: float, points: int, expected: str) -> None:
    assert fitting(wanted, hours * 3600, 2.0, points) == Resolution(expected)  # type: ignore[arg-type]


def test_joined_values_keep_the_least_and_the_greatest_and_weigh_by_duration() -> None:
    values = [
        SeriesPoint.of(point(0, 90, seconds=2, bitrate_bps=None)),
        SeriesPoint.of(point(2, 30, seconds=4, findings=(FindingKind.FROZEN,))),
        SeriesPoint.of(point(10, 70)),
    ]
    [first, second] = thinned(values, 10)
    assert (first.score, first.least_score, first.least_seconds, first.greatest_score) == (50, 30, 2, 90)
    assert (first.duration_seconds, first.count, first.bitrate_bps) == (6, 2, 2_500_000)
    assert first.findings == ((FindingKind.FROZEN, 1),)
    assert second == values[2]
