"""Who may ask, how often and for which host; and that whatever goes wrong is a problem of RFC 9457."""

import gzip
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import httpx
import pytest
from api_served import TOKEN, WAIT_SECONDS, Served, fill_film, fill_live, served, wait
from pydantic import SecretStr
from services.redis_fixtures import Series

from pipeline.api.rates import Rates
from pipeline.api.tokens import tokens_of
from pipeline.errors import UsageError
from pipeline.settings import ApiSettings
from workers.service import serve

PROBLEM = "application/problem+json"
NOTE = {"stream_id": "news", "text": "new preset", "start_at": "2026-03-01T20:00:00Z"}


@pytest.fixture
def api(series7: Series) -> Iterator[Served]:
    with served(series7.settings) as made:
        yield made


@pytest.fixture
def guarded(series7: Series) -> Iterator[Served]:
    with served(series7.settings, token=TOKEN) as made:
        yield made


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api/v1/ladder?stream=nws", 404, "unknown-stream"),
        ("/api/v1/series?stream=news&rendition=721p", 404, "unknown-rendition"),
        ("/api/v1/ladder?stream=news&model=nan", 404, "unknown-model"),
        ("/api/v1/worst?stream=news&display_height=1079", 404, "unknown-display"),
        ("/api/v1/ladder", 422, "invalid"),
        ("/api/v1/ladder?stream=", 422, "invalid"),
        ("/api/v1/ladder?stream=news&strem=news", 422, "invalid"),
        ("/api/v1/series?stream=news&points=100000", 422, "invalid"),
        ("/api/v1/series?stream=news&from=yesterday", 422, "invalid"),
        ("/api/v1/series?stream=news&from=nan", 422, "invalid"),
        ("/api/v1/series?stream=news&from=2026-13-01T00:00:00Z", 422, "invalid"),
        ("/api/v1/series?stream=news&last=-5m", 422, "invalid"),
        ("/api/v1/series?stream=news&last=99999999d", 422, "invalid"),
        ("/api/v1/series?stream=news&from=20&to=10", 422, "invalid"),
        ("/api/v1/series?stream=film&from=2026-03-01T00:00:00Z", 422, "invalid"),
        ("/api/v1/series?stream=news&from=1&last=5m", 422, "invalid"),
        ("/api/v1/streams?cursor=bm90IG91cnM", 422, "invalid"),
        ("/api/v1/findings?cursor=W10", 422, "invalid"),
        ("/api/v1/picture?stream=news&rendition=720p&start=inf", 422, "invalid"),
        ("/api/v2/streams", 404, "no-such-path"),
        ("/static/../app.py", 404, "no-such-path"),
        ("/static/%2e%2e/app.py", 404, "no-such-path"),
        ("/docs", 404, "no-such-path"),
    ],
)
def test_what_cannot_be_answered_is_a_problem(api: Served, series7: Series, path: str, status: int, kind: str) -> None:
    fill_live(series7)
    fill_film(series7)
    answer = api.client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    body = answer.json()
    assert (body["type"], body["status"]) == (f"urn:rungwatch:problem:{kind}", status)
    assert body["detail"]


def test_an_unknown_stream_names_those_that_are_near(api: Served, series7: Series) -> None:
    fill_live(series7, "news")
    fill_live(series7, "sport")
    body = api.get("ladder", stream="newz").json()
    assert body["near"] == ["news"]
    assert "did you mean news?" in body["detail"]


def test_another_method_is_told_which_there_are(api: Served) -> None:
    answer = api.client.put("/api/v1/annotations")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, POST")
    assert answer.headers["content-type"] == PROBLEM


@pytest.mark.parametrize(
    "body", [{}, {**NOTE, "text": ""}, {**NOTE, "more": 1}, {**NOTE, "end_at": "2026-01-01T00:00:00Z"}, [], "x"]
)
def test_a_note_that_cannot_be_meant_is_refused(api: Served, body: object) -> None:
    answer = api.client.post("/api/v1/annotations", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)


def test_the_answer_to_a_bug_has_no_stack(
    api: Served, series7: Series, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_live(series7)

    def bug(*_: object) -> None:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr("pipeline.api.questions.ladder", bug)
    answer = api.get("ladder", stream="news")
    assert (answer.status_code, answer.headers["content-type"]) == (500, PROBLEM)
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text
    wait(lambda: "secret inside" in caplog.text, "the log has the stack")
    caplog.clear()


def test_every_answer_has_the_headers_of_safety(api: Served) -> None:
    for path in ("/", "/api/v1/streams", "/nothing", "/static/index.html", "/openapi.json", "/metrics"):
        headers = api.client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'"), path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
        assert "permissions-policy" in headers
        assert "server" not in headers


def test_other_sites_are_told_nothing(api: Served) -> None:
    origin = {"Origin": "https://evil.example"}
    assert "access-control-allow-origin" not in api.client.get("/api/v1/streams", headers=origin).headers
    asked = {**origin, "Access-Control-Request-Method": "POST"}
    assert api.client.options("/api/v1/annotations", headers=asked).status_code == 405


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_pages_of_other_sites_may_not_write(api: Served, headers: dict[str, str]) -> None:
    answer = api.client.post("/api/v1/annotations", json=NOTE, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:rungwatch:problem:cross-origin")


@pytest.mark.parametrize("says", ["both", "no origin", "no site"])
def test_our_own_page_may_write(api: Served, says: str) -> None:
    headers = {"Origin": "null" if says == "no origin" else api.url}
    headers |= {} if says == "no site" else {"Sec-Fetch-Site": "same-origin"}
    assert api.client.post("/api/v1/annotations", json=NOTE, headers=headers).status_code == 201


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8090", "[::", "localhost.evil.example", ""])
def test_a_name_that_was_made_to_lead_here_is_refused(api: Served, host: str) -> None:
    answer = api.client.get("/api/v1/streams", headers={"Host": host})
    assert (answer.status_code, answer.headers["content-type"]) == (421, PROBLEM)


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:99", "[::1]:8090", "LOCALHOST"])
def test_names_of_this_machine_are_let_in(api: Served, host: str) -> None:
    assert api.client.get("/api/v1/streams", headers={"Host": host}).status_code == 200


def test_who_asks_too_often_is_told_to_wait(series7: Series) -> None:
    with served(series7.settings, requests_at_once=20, requests_per_second=0.5) as api:
        answers = [api.get("streams") for _ in range(40)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert refused[0].headers["content-type"] == PROBLEM
        assert 1 <= int(refused[0].headers["retry-after"]) <= 2
        assert api.client.get("/static/index.html").status_code == 200


def test_a_body_that_is_too_large_is_refused(api: Served) -> None:
    answer = api.client.post("/api/v1/annotations", json={**NOTE, "text": "x" * 100_000})
    assert (answer.status_code, answer.headers["content-type"]) == (413, PROBLEM)


@pytest.mark.parametrize("path", ["/api/v1/annotations", "/session"])
def test_a_body_without_a_length_is_counted(api: Served, path: str) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    answer = api.client.post(path, content=parts(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (413, PROBLEM)


@pytest.mark.parametrize("path", ["/api/v1/streams", "/metrics", "/openapi.json", "/api/v1/events", "/"])
@pytest.mark.parametrize(
    "headers",
    [{}, bearer("wrong"), {"Authorization": TOKEN}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer"}],
)
def test_without_the_token_there_is_nothing(guarded: Served, path: str, headers: dict[str, str]) -> None:
    answer = guarded.client.get(path, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_with_the_token_there_is_all(guarded: Served) -> None:
    for path in ("/api/v1/streams", "/metrics", "/openapi.json", "/"):
        assert guarded.client.get(path, headers=bearer()).status_code == 200, path


def test_health_without_the_token_says_no_more_than_how_it_is(guarded: Served) -> None:
    assert guarded.client.get("/healthz").json() == {"alive": True}
    assert "checks" in guarded.client.get("/readyz", headers=bearer()).json()


def test_a_browser_logs_in_once(guarded: Served) -> None:
    browser = httpx.Client(base_url=guarded.url, headers={"Accept": "text/html"}, timeout=WAIT_SECONDS)
    first = browser.get("/?stream=a%26b&last=1h")
    assert (first.status_code, first.headers["location"]) == (303, "/login?next=%2F%3Fstream%3Da%2526b%26last%3D1h")
    assert browser.get(first.headers["location"]).status_code == 200
    entered = browser.post("/session", data={"token": TOKEN, "next": "/?stream=a%26b&last=1h"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/?stream=a%26b&last=1h")
    cookie = entered.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"))
    assert TOKEN not in cookie
    assert browser.get("/").status_code == browser.get("/api/v1/streams").status_code == 200
    assert browser.post("/logout").status_code == 303
    assert browser.get("/api/v1/streams").status_code == 401
    browser.close()


def test_a_link_from_another_site_finds_the_session(guarded: Served) -> None:
    came = {"Accept": "text/html", "Sec-Fetch-Site": "cross-site"}
    answer = guarded.client.get("/?stream=news", headers=came)
    assert answer.status_code == 200
    assert "http-equiv=refresh" in answer.text


def test_a_wrong_token_gives_no_session(guarded: Served) -> None:
    answer = guarded.client.post("/session", data={"token": "not it", "next": "/?stream=a"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?wrong=1&next=%2F%3Fstream%3Da")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a\nb"])
def test_the_login_leads_nowhere_else(guarded: Served, elsewhere: str) -> None:
    answer = guarded.client.post("/session", data={"token": TOKEN, "next": elsewhere})
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("forged", ["", "x", "9999999999.a.b", "9999999999.abc." + "0" * 64, "\u00e9.1.2"])
def test_a_session_cannot_be_made_up(guarded: Served, forged: str) -> None:
    cookie = f"rungwatch_session={forged}".encode()
    assert guarded.client.get("/api/v1/streams", headers={b"Cookie": cookie}).status_code == 401


def test_tokens_cannot_be_tried_without_end(series7: Series, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a clock that stands still: a slow machine would be given another try.
    monkeypatch.setattr("pipeline.api.login.Rates", partial(Rates, now_seconds=lambda: 0.0))
    with served(series7.settings, token=TOKEN, logins_per_minute=3) as api:
        tried = [api.client.post("/session", data={"token": f"guess {number}"}).status_code for number in range(5)]
        assert tried == [303, 303, 303, 429, 429]


def test_the_token_is_in_no_log(guarded: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    guarded.client.get("/api/v1/streams", headers=bearer())
    guarded.client.post("/session", data={"token": TOKEN})
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not any(TOKEN in text for text in ours)
    assert TOKEN not in repr(ApiSettings(token=SecretStr(TOKEN)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": "0.0.0.0"}, "set RUNGWATCH_API_TOKEN"),
        ({"host": "::"}, "set RUNGWATCH_API_TOKEN"),
        ({"host": "rungwatch.example"}, "set RUNGWATCH_API_TOKEN"),
        ({"hosts": ("rungwatch.example",)}, "set RUNGWATCH_API_TOKEN as well"),
        ({"host": "0.0.0.0", "token": "short"}, "too short"),
        ({"token": " " * 20}, "too short"),
    ],
)
def test_strangers_are_never_let_in_by_mistake(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        tokens_of(ApiSettings.model_validate(settings))


def test_names_that_are_set_are_let_in_with_the_token(series7: Series) -> None:
    with served(series7.settings, token=TOKEN, hosts=("rungwatch.example",)) as api:
        for host, status in (("rungwatch.example", 200), ("evil.example", 421)):
            assert api.client.get("/api/v1/streams", headers={**bearer(), "Host": host}).status_code == status


def test_text_is_compressed_for_who_takes_it(api: Served, series7: Series) -> None:
    fill_live(series7)
    for path in ("/api/v1/series?stream=news", "/static/index.html", "/openapi.json"):
        with api.client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip", path
        assert gzip.decompress(raw)
        assert "content-encoding" not in api.client.get(path, headers={"Accept-Encoding": "identity"}).headers


def test_files_of_the_page_are_asked_for_anew_and_not_sent_twice(api: Served) -> None:
    answer = api.client.get("/static/index.html")
    assert answer.headers["cache-control"] == "no-cache"
    again = api.client.get("/static/index.html", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_requests_are_counted_by_endpoint_and_status(api: Served) -> None:
    api.get("ladder", stream="x")
    api.client.get("/no/such/path/1")
    text = api.client.get("/metrics").text
    assert 'rungwatch_http_requests_total{route="/api/v1/ladder",status="404"} 1.0' in text
    assert 'rungwatch_http_requests_total{route="other",status="404"} 1.0' in text
    assert 'rungwatch_http_request_seconds_count{route="/api/v1/ladder"} 1.0' in text


def test_a_client_that_asks_nothing_is_hung_up_on(series7: Series, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(series7.settings) as api:
        # Now only: who asks whether the server is up may be as slow as it likes.
        monkeypatch.setattr(serve, "SILENT_SECONDS", 0.3)
        host, _, port = api.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(b"GET /api/v1/streams HTTP/1.1\r\nHost:")
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""


def test_a_client_that_says_nothing_sensible_harms_nobody(api: Served) -> None:
    host, _, port = api.url.removeprefix("http://").partition(":")
    for said in (b"\x00\x01\x02\r\n\r\n", b"GET /\r\n\r\n", b"POST /session HTTP/1.1\r\nHost: localhost\r\n"
                 b"Content-Length: -1\r\n\r\n"):  # fmt: skip
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(said)
            assert b" 400 " in connection.recv(1000).splitlines()[0]
    assert api.client.get("/healthz").status_code == 200
