"""What a process counts is what its callers told it, under names that Prometheus can read."""

import math
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.errors import REJECTIONS
from pipeline.observe.bus import BusMetrics
from pipeline.observe.health import Health
from pipeline.observe.metrics import STAGES, Metrics
from pipeline.observe.points import PointMetrics
from pipeline.observe.scoring import ScoringMetrics
from pipeline.series.store import Written
from pipeline.stream.observer import Observer
from schemas import Basis

UNITS = ("_seconds", "_bytes", "_total", "_messages", "_info", "_fds")
NO_UNIT = {"rungwatch_in_flight", "rungwatch_paused", "rungwatch_queue_depth", "rungwatch_batch_size"}


class Clock:
    def __init__(self) -> None:
        self.now_seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_seconds


def read(metrics: Metrics) -> dict[str, float]:
    """Return every sample by its name and labels, as `name{label="value"}`."""
    samples = {}
    for family in text_string_to_metric_families(metrics.text()[0].decode()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


def everything() -> Metrics:
    metrics = Metrics("1.2.3")
    scoring, points, bus = ScoringMetrics(metrics), PointMetrics(metrics), BusMetrics(metrics)
    scoring.scored(Basis.LADDER, delay_seconds=3.0)
    scoring.waiting(2)
    scoring.watch_decoding(lambda: 5)
    points.delivered(3.5)
    bus.observer("worker").standing(3, True, None)
    bus.observer("worker").lag("rungwatch.segments", 0, 7)
    bus.observer("worker").received("rungwatch.segments")
    bus.observer("worker").finished("rungwatch.segments", 0.2)
    bus.observer("worker").retried("rungwatch.segments", "Transient")
    return metrics


def test_two_processes_in_one_interpreter_share_no_count() -> None:
    first, second = everything(), Metrics("1.2.3")
    ScoringMetrics(second)
    name = 'rungwatch_segments_scored_total{basis="ladder"}'
    assert (read(first)[name], read(second)[name]) == (1, 0)


def test_every_metric_of_ours_has_a_unit_in_its_name_and_a_help_that_says_what_to_do() -> None:
    families = [
        family
        for family in text_string_to_metric_families(everything().text()[0].decode())
        if family.name.startswith("rungwatch_")
    ]
    assert len(families) >= 20
    for family in families:
        name = family.name + "_total" if family.type == "counter" else family.name
        assert name in NO_UNIT or name.endswith(UNITS), name
        assert len(family.documentation) > 80, f"{name} does not say what to do when it looks bad"


def test_no_label_grows_with_the_number_of_streams_or_segments() -> None:
    labels = set(re.findall(r'[{,]([a-z_]+)="', everything().text()[0].decode()))
    assert labels == {"basis", "generation", "kind", "le", "model", "outcome", "partition", "queue", "reason", "role",
                      "stage", "to", "topic", "version"}  # fmt: skip


def test_a_whole_process_has_few_hundred_series() -> None:
    assert len(read(everything())) < 500


def test_the_build_tells_the_model_that_was_loaded_last_and_no_other() -> None:
    metrics = Metrics("1.2.3")
    metrics.model("nano@1a2b3c4d5e6f")
    builds = {name: value for name, value in read(metrics).items() if name.startswith("rungwatch_build_info")}
    assert builds == {'rungwatch_build_info{model="nano@1a2b3c4d5e6f",version="1.2.3"}': 1}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_timed_whether_it_fails_or_not(stage: str) -> None:
    metrics = Metrics("1.2.3")
    with metrics.stage(stage):
        pass
    with pytest.raises(ValueError, match="broken"), metrics.stage(stage):
        raise ValueError("broken")
    assert read(metrics)[f'rungwatch_stage_seconds_count{{stage="{stage}"}}'] == 2


def test_freshness_grows_by_itself_and_is_of_the_newest_segment() -> None:
    clock = Clock()
    metrics = Metrics("1.2.3", clock)
    scoring = ScoringMetrics(metrics)
    name = 'rungwatch_freshness_seconds{to="score"}'
    assert name not in read(metrics)
    scoring.scored(Basis.ALONE, delay_seconds=4.0)
    scoring.scored(Basis.ALONE, delay_seconds=900.0)  # old work that is caught up with
    scoring.scored(Basis.ALONE, delay_seconds=None)  # on demand
    assert read(metrics)[name] == pytest.approx(4.0)
    clock.now_seconds += 60
    assert read(metrics)[name] == pytest.approx(64.0)
    assert read(metrics)['rungwatch_live_delay_seconds_count{to="score"}'] == 2


@pytest.mark.parametrize("delay_seconds", [-0.5, math.nan, math.inf])
def test_a_delay_that_cannot_be_spoils_no_sum(delay_seconds: float) -> None:
    metrics = Metrics("1.2.3")
    PointMetrics(metrics).delivered(delay_seconds)
    assert read(metrics)['rungwatch_live_delay_seconds_sum{to="point"}'] == 0


def test_what_a_worker_tells_is_counted() -> None:
    metrics = Metrics("1.2.3")
    scoring = ScoringMetrics(metrics)
    scoring.sheet(hit=True)
    scoring.sheet(hit=False)
    scoring.batch(16, 0.25)
    scoring.batch(1, 0.05)
    scoring.waiting(9)
    scoring.watch_decoding(lambda: 4)
    scoring.skipped()
    scoring.stage("decode", 0.3)
    samples = read(metrics)
    assert samples["rungwatch_sheets_hits_total"] == samples["rungwatch_sheets_misses_total"] == 1
    assert (samples["rungwatch_batch_size_count"], samples["rungwatch_batch_size_sum"]) == (2, 17)
    assert samples["rungwatch_model_busy_seconds_total"] == pytest.approx(0.3)
    assert (samples['rungwatch_queue_depth{queue="model"}'], samples['rungwatch_queue_depth{queue="decode"}']) == (9, 4)
    assert samples["rungwatch_segments_skipped_late_total"] == 1
    assert samples['rungwatch_stage_seconds_sum{stage="decode"}'] == pytest.approx(0.3)


def test_points_are_counted_by_what_became_of_them() -> None:
    metrics = Metrics("1.2.3")
    points = PointMetrics(metrics)
    points.written(Written(new=5, repeated=2), 0)
    points.written(Written(new=1, outdated=1, late=3), 2)
    samples = read(metrics)
    found = {outcome: samples[f'rungwatch_points_written_total{{outcome="{outcome}"}}']
             for outcome in ("new", "changed", "repeated", "outdated", "late")}  # fmt: skip
    assert found == {"new": 6, "changed": 0, "repeated": 2, "outdated": 1, "late": 3}
    assert samples["rungwatch_skips_noted_total"] == 2


def test_the_observer_of_a_runner_counts_what_the_runner_tells() -> None:
    metrics = Metrics("1.2.3")
    signs: list[int] = []
    observer: Observer = BusMetrics(metrics).observer("worker", lambda: signs.append(1))
    observer.received("t")
    observer.finished("t", 0.2)
    observer.retried("t", "Transient")
    observer.rejected("t", "encrypted")
    observer.discarded("t")
    observer.standing(7, True, None)
    samples = read(metrics)
    assert samples['rungwatch_messages_received_total{topic="t"}'] == 1
    assert samples['rungwatch_message_seconds_count{topic="t"}'] == 1
    assert samples['rungwatch_retries_total{topic="t"}'] == 1
    assert samples['rungwatch_errors_total{kind="transient",reason="Transient"}'] == 1
    assert samples['rungwatch_errors_total{kind="rejected",reason="encrypted"}'] == 1
    assert samples['rungwatch_errors_total{kind="discarded",reason="lost_partition"}'] == 1
    assert samples['rungwatch_in_flight{role="worker"}'] == 7
    assert samples['rungwatch_paused{role="worker"}'] == 1
    assert signs == [1]


def test_a_bus_that_is_away_makes_a_process_not_ready_until_it_is_back() -> None:
    health = Health()
    observer = BusMetrics(Metrics("1.2.3")).observer("worker", None, health.flag("bus", "not reached yet").is_because)
    said = [health.ready()["bus"]]
    for away in (None, "connection refused", None):
        observer.standing(0, False, away)
        said.append(health.ready()["bus"])
    assert said == ["not reached yet", None, "connection refused", None]


def test_two_runners_of_one_process_are_told_apart() -> None:
    metrics = Metrics("1.2.3")
    bus = BusMetrics(metrics)
    bus.observer("worker").standing(7, True, None)
    bus.observer("series").standing(2, False, None)
    samples = read(metrics)
    assert (samples['rungwatch_in_flight{role="worker"}'], samples['rungwatch_in_flight{role="series"}']) == (7, 2)


def test_the_lag_of_a_partition_that_moved_away_is_no_longer_told() -> None:
    metrics = Metrics("1.2.3")
    observer = BusMetrics(metrics).observer("worker")
    observer.lag("t", 3, 11)
    assert read(metrics)['rungwatch_consumer_lag_messages{partition="3",topic="t"}'] == 11
    observer.gone("t", 3)
    observer.gone("t", 4)  # never known
    assert not [name for name in read(metrics) if name.startswith("rungwatch_consumer_lag")]


def test_every_reason_begins_at_zero_and_strange_ones_share_one_series() -> None:
    metrics = Metrics("1.2.3")
    observer = BusMetrics(metrics).observer("worker")
    rejected = 'rungwatch_errors_total{{kind="rejected",reason="{}"}}'
    assert {read(metrics)[rejected.format(reason)] for reason in REJECTIONS} == {0}
    for number in range(50):
        observer.rejected("t", f"made-up-{number}")
    samples = read(metrics)
    assert samples[rejected.format("other")] == 50
    assert not [name for name in samples if "made-up" in name]
