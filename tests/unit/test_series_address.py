"""How a Redis is named, and what its errors mean."""

import pytest
from redis import exceptions as said

from pipeline.errors import Unavailable, UsageError
from pipeline.history import SeriesId
from pipeline.series.address import Address, parsed
from pipeline.series.faults import meaning


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address("server", hosts=(("localhost", 6379),))),
        ("redis://h:1/2", Address("server", hosts=(("h", 1),), db=2)),
        ("rediss://u:p%40%2F@h", Address("server", True, (("h", 6379),), username="u", password="p@/")),
        ("redis://:p@w:d@h:7", Address("server", hosts=(("h", 7),), password="p@w:d")),
        ("redis://[::1]:7", Address("server", hosts=(("::1", 7),))),
        ("redis://[fe80::2]/3", Address("server", hosts=(("fe80::2", 6379),), db=3)),
        ("unix:///run/redis.sock?db=1", Address("socket", path="/run/redis.sock", db=1)),
        ("unix://u:p@/a%20b", Address("socket", path="/a b", username="u", password="p")),
        (
            "redis+sentinel://a:1,b/rungs/4?sentinel_password=s",
            Address("sentinel", hosts=(("a", 1), ("b", 26379)), service="rungs", db=4, sentinel_password="s"),
        ),
        ("rediss+cluster://a:1,[::2]:3", Address("cluster", True, (("a", 1), ("::2", 3)))),
    ],
)
def test_an_address_is_read(url: str, address: Address) -> None:
    assert parsed(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379", "http://secret@h", "redis://", "redis://h:secret", "redis://h:0", "redis://h:99999",
        "redis://u:pa/secret@h:1x", "redis://h/secret", "redis://a,b", "redis://::1", "redis+sentinel://h",
        "redis+cluster://h/1", "unix://secret", "redis://h?secret=1", "redis://u:secret@",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_read_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UsageError, match="RUNGWATCH_REDIS_URL") as caught:
        parsed(url)
    assert "secret" not in str(caught.value)


def test_an_address_is_shown_without_its_passwords() -> None:
    address = parsed("redis+sentinel://u:hunter2@h:1/rungs?sentinel_username=v&sentinel_password=hunter3")
    assert str(address) == "h:1/rungs"
    assert "hunter" not in repr(address)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (said.ConnectionError("refused"), Unavailable),
        (said.TimeoutError("slow"), Unavailable),
        (said.BusyLoadingError("Redis is loading", status_code="LOADING"), Unavailable),
        (said.ReadOnlyError("You can't write", status_code="READONLY"), Unavailable),
        (said.ClusterDownError("The cluster is down"), Unavailable),
        (said.RedisClusterException("Redis Cluster cannot be connected"), Unavailable),
        (said.ResponseError("BUSY Redis is busy running a script"), Unavailable),
        (said.ResponseError("MISCONF Redis is configured to save"), Unavailable),
        (said.ResponseError("NOREPLICAS Not enough good replicas"), Unavailable),
        (said.OutOfMemoryError("command not allowed", status_code="OOM"), Unavailable),
        (
            said.ResponseError("Error running script (call to f_1): @user_script:7: -OOM command not allowed"),
            Unavailable,
        ),
        (said.MaxConnectionsError("Too many connections"), Unavailable),
        (ConnectionResetError("reset"), Unavailable),
        (said.AuthenticationError("invalid username-password pair"), UsageError),
        (said.NoPermissionError("no permissions", status_code="NOPERM"), UsageError),
        (said.ResponseError("WRONGTYPE Operation against a key"), UsageError),
        (said.ResponseError("ERR unknown command 'EVALSHA'"), UsageError),
        (said.MovedError("3999 127.0.0.1:6381"), UsageError),
        (said.ConnectionError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), UsageError),
    ],
)
def test_what_may_pass_is_waited_for_and_the_rest_is_for_a_person(error: Exception, kind: type[Exception]) -> None:
    meant = meaning(error, "here:1")
    assert type(meant) is kind
    assert "here:1" in str(meant)


def test_a_series_id_survives_its_name() -> None:
    series = SeriesId("a/b|c:{}", "my model/1", 1080, "frame_difference", 8)
    assert SeriesId.parsed(series.name) == series
