"""The dashboard of our own processes: how much they do, what waits, where the time goes, what fails."""

from pipeline.grafana.dashboard import dashboard
from pipeline.grafana.look import SECONDS, field, rising
from pipeline.grafana.names import WORKERS_UID, Json, Site
from pipeline.grafana.panels import Panel, Section, column, number, over_time, table
from pipeline.grafana.queries import prometheus, prometheus_now
from pipeline.grafana.variables import instance

OF = '{instance=~"$instance"}'
RATE = "[$__rate_interval]"
PER_SECOND = "ops"
SHARE = "percentunit"


def workers(site: Site) -> Json:
    """Return the dashboard."""
    return dashboard(
        WORKERS_UID,
        "Rungwatch: Workers",
        "Scoring workers, writers, ingests and the API: rates, queues, the device, times of every stage, errors.",
        (
            Section("", _numbers(site)),
            Section("Work", _work(site)),
            Section("Where the time goes", _times(site)),
            Section("What fails", _errors(site)),
            Section("Live sources", _sources(site)),
            Section("What others get", _served(site)),
            Section("Processes", _processes(site)),
        ),
        (instance(site),),
        since="now-3h",
    )


def _numbers(site: Site) -> tuple[Panel, ...]:
    return (
        number(
            "Segments a second",
            "Scored by all workers together. Falling while messages wait: see the queues and the stages.",
            prometheus(site, f"sum(rate(rungwatch_segments_scored_total{OF}{RATE}))"),
            field(PER_SECOND, decimals=2),
        ),
        number(
            "Waiting messages",
            "On all partitions. Growing: add workers, up to one per partition.",
            prometheus(site, f"sum(max by (topic, partition) (rungwatch_consumer_lag_messages{OF}))"),
            field(steps=rising(100, 1000), decimals=0),
        ),
        number(
            "Device busy",
            "Share of the time that the model computes, of the busiest worker. Near 1 the device is the limit; low "
            "while work waits, decoding is: add cores or decoders.",
            prometheus(site, f"max(rate(rungwatch_model_busy_seconds_total{OF}{RATE}))"),
            field(SHARE, least=0, steps=rising(0.8, 0.95), decimals=0),
        ),
        number(
            "Oldest score",
            "Seconds since the end of the newest live segment that was scored, of the worker that is furthest behind.",
            prometheus(site, 'max(rungwatch_freshness_seconds{to="score",instance=~"$instance"})'),
            field(SECONDS, steps=rising(30, 120), decimals=0),
        ),
        number(
            "Dead letters in an hour",
            "Messages that were given up. The letters say why; `rungwatch replay` brings them back.",
            prometheus_now(site, 'sum(increase(rungwatch_errors_total{kind="rejected",instance=~"$instance"}[1h]))'),
            field(steps=rising(1, 100), decimals=0),
        ),
        number(
            "Models at work",
            "More than one for longer than a deploy takes: finish it or undo it, scores of two models are kept apart.",
            prometheus(site, 'count(count by (model) (rungwatch_build_info{model!="",instance=~"$instance"}))'),
            field(steps=rising(2, 3), decimals=0),
        ),
    )


def _work(site: Site) -> tuple[Panel, ...]:
    return (
        over_time(
            "Segments scored, by basis",
            "More and more of `alone`: rungs do not match their reference; read the findings of the scores.",
            (prometheus(site, f"sum by (basis) (rate(rungwatch_segments_scored_total{OF}{RATE}))", "{{basis}}"),),
            field(PER_SECOND, least=0),
            stacked=True,
        ),
        over_time(
            "Messages received and finished",
            "Finished below received for long: what is at work grows until partitions are paused.",
            (
                prometheus(
                    site, f"sum by (topic) (rate(rungwatch_messages_received_total{OF}{RATE}))", "received {{topic}}"
                ),
                prometheus(
                    site,
                    f"sum by (topic) (rate(rungwatch_message_seconds_count{OF}{RATE}))",
                    "finished {{topic}}",
                    "B",
                ),
            ),
            field(PER_SECOND, least=0),
        ),
        over_time(
            "Segments that wait in the workers",
            "`decode` full and `model` empty: the cores are the limit. `model` full: the device is.",
            (prometheus(site, f"sum by (queue) (rungwatch_queue_depth{OF})", "{{queue}}"),),
            field(least=0),
        ),
        over_time(
            "Device busy",
            "Share of the time that the model computes, worker by worker.",
            (prometheus(site, f"rate(rungwatch_model_busy_seconds_total{OF}{RATE})", "{{instance}}"),),
            field(SHARE, least=0, steps=rising(0.8, 0.95)),
        ),
        over_time(
            "Messages that wait on Kafka",
            "Growing on one partition only: one stream is too big for a worker, or that partition stands still.",
            (
                prometheus(
                    site,
                    f"max by (topic, partition) (rungwatch_consumer_lag_messages{OF})",
                    "{{topic}} {{partition}}",
                ),
            ),
            field(least=0),
        ),
        over_time(
            "In flight and paused",
            "In flight at its limit all the time: busy to the full, which is well unless messages wait. Paused all the "
            "time while nothing is finished: the process hangs, see its /healthz.",
            (
                prometheus(site, f"sum by (role) (rungwatch_in_flight{OF})", "in flight {{role}}"),
                prometheus(site, f"sum by (role) (rungwatch_paused{OF})", "paused {{role}}", "B"),
            ),
            field(least=0),
        ),
        over_time(
            "Clips that the model gets at once",
            "Mean. 1 while `model` waits above: the batcher is held back; look at RUNGWATCH_SERVICE_BATCH.",
            (
                prometheus(
                    site,
                    f"sum by (instance) (rate(rungwatch_batch_size_sum{OF}{RATE})) / "
                    f"sum by (instance) (rate(rungwatch_batch_size_count{OF}{RATE}))",
                    "{{instance}}",
                ),
            ),
            field(least=0, decimals=1),
        ),
        over_time(
            "References found in the cache",
            "Share. Under 0.95 in steady work: raise RUNGWATCH_SERVICE_SHEETS; every miss costs a decode.",
            (
                prometheus(
                    site,
                    f"sum(rate(rungwatch_sheets_hits_total{OF}{RATE})) / (sum(rate(rungwatch_sheets_hits_total{OF}"
                    f"{RATE})) + sum(rate(rungwatch_sheets_misses_total{OF}{RATE})))",
                    "hits",
                ),
            ),
            field(SHARE, least=0, most=1),
        ),
    )


def _times(site: Site) -> tuple[Panel, ...]:
    return (
        over_time(
            "Seconds of every stage, 95 of 100",
            "The stage that grew is the one to look at: fetch is the origin or the network, decode and prepare the "
            "cores, model the device, write Redis.",
            (_quantile(site, 0.95, "rungwatch_stage_seconds", "stage"),),
            field(SECONDS, least=0),
        ),
        over_time(
            "Seconds of every stage, mean",
            "As the chart beside it, without its rare long ones.",
            (
                prometheus(
                    site,
                    f"sum by (stage) (rate(rungwatch_stage_seconds_sum{OF}{RATE})) / "
                    f"sum by (stage) (rate(rungwatch_stage_seconds_count{OF}{RATE}))",
                    "{{stage}}",
                ),
            ),
            field(SECONDS, least=0),
        ),
        over_time(
            "From the end of a live segment to its score and its point",
            "95 of 100 are there within so long. Growing: compare with the stages and with what waits.",
            (_quantile(site, 0.95, "rungwatch_live_delay_seconds", "to"),),
            field(SECONDS, least=0),
        ),
        over_time(
            "From receiving a message to storing what came of it",
            "95 of 100. Growing with no stage: messages wait in the process, see in flight.",
            (_quantile(site, 0.95, "rungwatch_message_seconds", "topic"),),
            field(SECONDS, least=0),
        ),
    )


def _errors(site: Site) -> tuple[Panel, ...]:
    return (
        over_time(
            "Dead letters, by reason",
            "In five minutes. The reason says where to look; the letters say what to do.",
            (
                prometheus(
                    site,
                    'sum by (reason) (increase(rungwatch_errors_total{kind="rejected",instance=~"$instance"}[5m])) > 0'
                    ' or sum(increase(rungwatch_errors_total{kind="rejected",instance=~"$instance"}[5m]))',
                    "{{reason}}",
                ),
            ),
            field(least=0, decimals=0),
        ),
        over_time(
            "Attempts that are made again",
            "In five minutes. A steady rate: something outside of us fails, the error names it.",
            (
                prometheus(site, f"sum by (topic) (increase(rungwatch_retries_total{OF}[5m]))", "{{topic}}"),
                prometheus(
                    site,
                    'sum by (reason) (increase(rungwatch_errors_total{kind="transient",instance=~"$instance"}[5m]))',
                    "{{reason}}",
                    "B",
                ),
            ),
            field(least=0, decimals=0),
        ),
        over_time(
            "Live segments skipped for being late",
            "In five minutes. Growing: too few workers for the live work, or on-demand work is in their way.",
            (prometheus(site, f"sum(increase(rungwatch_segments_skipped_late_total{OF}[5m]))", "skipped"),),
            field(least=0, decimals=0, steps=rising(1, 10)),
        ),
        over_time(
            "Points written, by outcome",
            "`outdated`: a worker was left behind by a deploy. `late`: older than what is kept. `repeated`: a replay.",
            (prometheus(site, f"sum by (outcome) (rate(rungwatch_points_written_total{OF}{RATE}))", "{{outcome}}"),),
            field(PER_SECOND, least=0),
        ),
    )


def _sources(site: Site) -> tuple[Panel, ...]:
    return (
        over_time(
            "Sources by state",
            "Any that back off or have failed: `rungwatch sources` says which, and why.",
            (prometheus(site, f"sum by (state) (rungwatch_sources{OF})", "{{state}}"),),
            field(least=0, decimals=0),
            stacked=True,
        ),
        over_time(
            "Seconds of one look at a presentation",
            "95 of 100. Growing: an origin is slow, or there are more sources than RUNGWATCH_SERVICE_LOOKS threads.",
            (
                prometheus(
                    site,
                    f"histogram_quantile(0.95, sum by (le) (rate(rungwatch_look_seconds_bucket{OF}{RATE})))",
                    "looks",
                ),
            ),
            field(SECONDS, least=0),
        ),
        over_time(
            "Findings of playlists, manifests and origins",
            "In five minutes, by kind. `rungwatch series findings STREAM` says what and where.",
            (prometheus(site, f"sum by (kind) (increase(rungwatch_manifest_findings_total{OF}[5m])) > 0 or "
                              f"sum(increase(rungwatch_manifest_findings_total{OF}[5m]))", "{{kind}}"),),
            field(least=0, decimals=0),
        ),
        over_time(
            "Segments announced",
            "By all ingests. Standing still while sources are followed: read the findings.",
            (prometheus(site, f"sum(rate(rungwatch_segments_announced_total{OF}{RATE}))", "announced"),),
            field(PER_SECOND, least=0),
        ),
    )  # fmt: skip


def _served(site: Site) -> tuple[Panel, ...]:
    return (
        over_time(
            "Requests to the API, by answer",
            "5xx: see the log of `rungwatch serve`; 503 is Redis that is away. 429: a client asks too often.",
            (prometheus(site, f"sum by (status) (rate(rungwatch_http_requests_total{OF}{RATE}))", "{{status}}"),),
            field(PER_SECOND, least=0),
            stacked=True,
        ),
        over_time(
            "Seconds of a request to the API",
            "95 of 100, by endpoint. Growing: Redis is slow, or long ranges are asked for point by point.",
            (_quantile(site, 0.95, "rungwatch_http_request_seconds", "route"),),
            field(SECONDS, least=0),
        ),
        over_time(
            "Live listeners",
            "Pages that are open, and scripts. At RUNGWATCH_API_LIVE_CLIENTS newcomers are turned away.",
            (prometheus(site, f"sum(rungwatch_live_listeners{OF})", "listeners"),),
            field(least=0, decimals=0),
            width=8,
        ),
        over_time(
            "Samples written to another store",
            "By `rungwatch export prometheus`. Left out: the reason says what to set there.",
            (
                prometheus(site, f"sum(rate(rungwatch_export_samples_total{OF}{RATE}))", "written"),
                prometheus(
                    site,
                    f"sum by (reason) (rate(rungwatch_export_left_out_samples_total{OF}{RATE}))",
                    "left out: {{reason}}",
                    "B",
                ),
            ),
            field(PER_SECOND, least=0),
            width=8,
        ),
        over_time(
            "Annotations in Grafana",
            "In five minutes. None while findings are made: `rungwatch grafana annotate` does not run, or waits; see "
            "its /readyz.",
            (prometheus(site, f"sum by (done) (increase(rungwatch_annotations_total{OF}[5m]))", "{{done}}"),),
            field(least=0, decimals=0),
            width=8,
        ),
    )


def _processes(site: Site) -> tuple[Panel, ...]:
    return (
        over_time(
            "Memory",
            "Resident. Growing without end: tell us; until then restart that process, it goes on where it stopped.",
            (prometheus(site, f"process_resident_memory_bytes{OF} and on(instance) rungwatch_build_info", _PROCESS),),
            field("bytes", least=0),
        ),
        over_time(
            "Cores in use",
            "Per process; decoders are processes of their own and not in it.",
            (
                prometheus(
                    site, f"rate(process_cpu_seconds_total{OF}{RATE}) and on(instance) rungwatch_build_info", _PROCESS
                ),
            ),
            field(least=0, decimals=2),
        ),
        table(
            "Programs and models",
            "Which version and which weights every process runs.",
            prometheus_now(site, f"max by (instance, version, model) (rungwatch_build_info{OF})", table=True),
            overrides=(
                column("instance", "Process"),
                column("version", "Version"),
                column("model", "Model"),
            ),
            transformations=({"id": "organize", "options": {
                "indexByName": {"instance": 0, "version": 1, "model": 2},
                "excludeByName": {"Time": True, "Value": True}, "renameByName": {}}},),
            sort_by="Process",
        ),
    )  # fmt: skip


_PROCESS = "{{job}} {{instance}}"


def _quantile(site: Site, share: float, histogram: str, label: str) -> Json:
    expr = f"histogram_quantile({share}, sum by ({label}, le) (rate({histogram}_bucket{OF}{RATE})))"
    return prometheus(site, expr, f"{{{{{label}}}}}")
