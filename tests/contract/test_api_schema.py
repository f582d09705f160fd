"""Whatever is asked, as the OpenAPI document says or not: no 5xx, and no answer that is not documented."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest
import requests
import schemathesis
from api_served import TOKEN, Served, fill_film, fill_live, finding, live_point, served
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from series_factory import skipped
from services.redis_fixtures import Series

from pipeline.api.examples import EXAMPLES
from pipeline.history import PictureEntry
from pipeline.series import Picture, PictureStore
from schemas import FindingKind

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
    missing_required_header,
    unsupported_method,
    allow_header_conformance,
]
ASKED_AT_RANDOM = 20
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
READ = ("streams", "renditions", "ladder", "series", "findings", "incidents", "worst", "picture", "skipped", "health")
ENDPOINTS = [
    *(f"GET /api/v1/{name}" for name in (*READ, "annotations")),
    "POST /api/v1/annotations",
    "DELETE /api/v1/annotations",
]


@pytest.fixture(scope="module")
def guarded(redis_urls: Callable[[str], str]) -> Iterator[Served]:
    series = Series(redis_urls("redis 7"))
    start = fill_live(series)
    frozen = (FindingKind.FROZEN,)
    series.store.write([live_point(start + at, 20, stream="news", findings=frozen) for at in range(40, 80, 2)])
    fill_film(series)
    series.store.find([finding(), finding("over", over=True)])
    series.store.skip([skipped(10, stream="film")])
    PictureStore(series.link, series.settings).keep(
        Picture(PictureEntry("news", "720p", 12.0, 12.5, 2.0), b"\xff\xd8\xff\xd9")
    )
    with served(series.settings, token=TOKEN) as made:
        yield made
    series.close()


@pytest.fixture(scope="module")
def operations(guarded: Served) -> dict[str, APIOperation]:
    document = guarded.client.get("/openapi.json", headers=AUTHORIZED).json()
    loaded = schemathesis.openapi.from_dict(document)
    loaded.config.update(base_url=guarded.url)
    return {operation.label: operation for operation in (found.ok() for found in loaded.get_all_operations())}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["meant", "not meant"])
@pytest.mark.parametrize("label", ENDPOINTS)
def test_every_answer_is_documented(
    label: str, mode: GenerationMode, guarded: Served, operations: dict[str, APIOperation]
) -> None:
    @settings(
        max_examples=ASKED_AT_RANDOM,
        deadline=None,
        database=None,
        derandomize=True,  # the same questions every time: a find must not depend on whose change is tested
        phases=[Phase.explicit, Phase.generate],  # what fails is told as it is: to make it smaller takes minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operations[label].as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        asked = case.as_transport_kwargs(base_url=guarded.url, headers=AUTHORIZED)
        case.validate_response(session.request(**asked, timeout=30), checks=CHECKS, headers=AUTHORIZED)

    with requests.Session() as session:
        ask()


def test_every_endpoint_is_looked_at(operations: dict[str, APIOperation]) -> None:
    assert {*ENDPOINTS, "GET /api/v1/events"} == set(operations)  # events have no end: other tests look at them


@pytest.mark.parametrize(
    "asked",
    [
        "streams",
        "streams?sort=name&limit=1",
        "renditions?stream=news",
        "ladder?stream=news",
        "ladder?stream=film",
        "series?stream=news",
        "series?stream=film",
        "series?stream=news&resolution=hour",
        "series?stream=news&points=10",
        "series?stream=news&shape=rows",
        "series?stream=film&shape=rows",
        "series?stream=film&format=csv",
        "findings",
        "incidents?stream=news",
        "incidents?stream=film",
        "worst?stream=news",
        "worst?stream=film",
        "picture?stream=news&rendition=720p&start=12",
        "skipped?stream=film",
        "annotations?stream=news",
        "health",
    ],
)
def test_what_is_there_is_shown_as_documented(asked: str, guarded: Served, operations: dict[str, APIOperation]) -> None:
    answer = guarded.client.get(f"/api/v1/{asked}", headers=AUTHORIZED)
    assert answer.status_code == 200
    operations[f"GET /api/v1/{asked.partition('?')[0]}"].validate_response(answer)


def test_every_example_is_as_documented(operations: dict[str, APIOperation]) -> None:
    for (method, path), example in EXAMPLES.items():
        answer = answer_of(method.upper(), path, 201 if method == "post" else 200, example)
        operations[f"{method.upper()} {path}"].validate_response(answer)


def test_an_answer_of_another_shape_is_noticed(operations: dict[str, APIOperation]) -> None:
    with pytest.raises(Failure):
        operations["GET /api/v1/streams"].validate_response(answer_of("GET", "/api/v1/streams", 200, {"total": 1}))


def answer_of(method: str, path: str, status: int, document: object) -> httpx.Response:
    """Return an answer as if a server had given it."""
    answer = httpx.Response(status, json=document, request=httpx.Request(method, f"http://localhost{path}"))
    answer.elapsed = timedelta(0)
    return answer
