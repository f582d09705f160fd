"""`rungwatch report`: a stretch of time of one stream as a page, a PDF or data: what went wrong, when and where."""

import re
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli.axis_time import AXIS_TIME, AxisTime, length_seconds
from workers.cli.options import redis_option
from workers.cli.series import settings_of, state_option

if TYPE_CHECKING:
    from pipeline.history import Wanted
    from pipeline.report.of_series import Stretch
    from pipeline.series import Link
    from pipeline.settings import RedisSettings
    from workers.cli.series_lines import Asked

FORMATS = ("html", "json", "csv", "parquet")
NOTHING = 3
RAW_UNTIL_SECONDS = 12 * 3600
"""A long shift is told segment by segment."""
EPILOG = """
\b
Examples:
  rungwatch report news --last 8h                          the shift that ends now, as report-news.html
  rungwatch report news --from 2026-03-01T14:00Z --to 2026-03-01T22:00Z --pdf shift.pdf
  rungwatch report film --state DIR --out film.html        of what `rungwatch watch --state DIR` stored
  rungwatch report news --last 24h --out day.parquet       points, and day.incidents.parquet beside

\b
Exit codes:
  0  written
  2  the command was called wrongly, a file cannot be written, or there is no browser for --pdf
  3  the stream is there, and nothing of it lies in the range
  4  there is no such stream, or Redis is away
"""


@click.command(epilog=EPILOG)
@click.argument("stream")
@click.option("--from", "start", type=AXIS_TIME, metavar="TIME", help="From there on.  [default: the first point]")
@click.option("--to", "end", type=AXIS_TIME, metavar="TIME",
              help="Up to there. TIME: 2026-03-01T20:00Z for live; seconds or 1:02:03 for media time.")  # fmt: skip
@click.option("--last", type=str, callback=lambda _c, _p, value: None if value is None else length_seconds(value),
              metavar="LENGTH", help="So much before --to, or before now: 90s, 30m, 8h, 7d.")  # fmt: skip
@click.option("--rendition", metavar="ID", help="This rendition only.  [default: all]")
@click.option("--model", metavar="NAME", help="Scores of this model.  [default: of the newest weights]")
@click.option("--resolution", type=click.Choice(["auto", "raw", "minute", "hour"]), default="auto", show_default=True,
              help="auto: single points up to 12 hours, minutes up to 7 days, then hours.")  # fmt: skip
@click.option("--format", "format_name", type=click.Choice(FORMATS),
              help="csv, parquet: points; incidents in a file beside.  [default: by --out; html]")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write there; -: to stdout.  [default: report-STREAM.html, of data stdout]")  # fmt: skip
@click.option("--pdf", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Also print the page to a PDF, by the Chromium or Chrome that is installed.")  # fmt: skip
@redis_option
@state_option
def report(
    stream: str,
    start: AxisTime | None,
    end: AxisTime | None,
    last: float | None,
    rendition: str | None,
    model: str | None,
    resolution: "Wanted",
    format_name: str | None,
    out: Path | None,
    pdf: Path | None,
    redis: str | None,
    state: Path | None,
) -> None:
    """Report on STREAM: what went wrong, when, on which rung, for how long, with the worst frames and charts.

    The page works offline and prints well. Where single points have expired, their minutes and hours are told.
    """
    from pipeline.series import connect  # noqa: PLC0415 - heavy: after the options are checked
    from workers.cli.printing import Browser  # noqa: PLC0415
    from workers.cli.series_lines import Asked  # noqa: PLC0415

    if last is not None and start is not None:
        raise click.UsageError("give --from or --last, not both")
    chosen = format_name or _format_of(out)
    browser = Browser.found() if pdf else None
    for path in filter(None, (out, pdf)):
        _check(path)
    with ExitStack() as stack:
        settings = settings_of(redis, state, stack)
        link = stack.enter_context(closing(connect(settings)))
        stretch = _stretch(Asked(stream, rendition, start, end, last, resolution, model), link, settings)
        page = _page(stretch, link, settings) if chosen == "html" or pdf else ""
    if chosen == "html":
        _write_page(page, stream, out, wanted=out is not None or pdf is None)
    else:
        _write_data(stretch, chosen, out)
    if pdf is not None and browser is not None:
        browser.print(page, pdf)
        click.echo(f"pdf: {pdf}", err=True)


def _stretch(asked: "Asked", link: "Link", settings: "RedisSettings") -> "Stretch":
    from pipeline.incident_reader import read_incidents  # noqa: PLC0415
    from pipeline.report.of_series import Stretch, StretchLine  # noqa: PLC0415
    from pipeline.series import SeriesQueries  # noqa: PLC0415
    from workers.cli.series_lines import answer  # noqa: PLC0415

    queries = SeriesQueries(link, settings)
    found = answer(queries, asked, raw_until_seconds=RAW_UNTIL_SECONDS)
    if not found.lines:
        click.echo(f"rungwatch: {found.nothing()}", err=True)
        sys.exit(NOTHING)
    span = found.start_seconds, found.end_seconds
    incidents = read_incidents(queries, asked.stream_id, *span, model=asked.model)
    return Stretch(
        stream_id=asked.stream_id,
        time_basis=found.time_basis,
        start_seconds=found.start_seconds,
        end_seconds=found.end_seconds,
        lines=[StretchLine(line.entry, line.points) for line in found.lines],
        incidents=[
            each
            for each in incidents
            if asked.rendition_id is None or not each.rendition_ids or asked.rendition_id in each.rendition_ids
        ],
        skipped=[late for line in found.lines for late in line.skipped],
        ads=queries.ads(asked.stream_id, *span),
    )


def _page(stretch: "Stretch", link: "Link", settings: "RedisSettings") -> str:
    from pipeline.report.of_series import page_of_series  # noqa: PLC0415
    from pipeline.report.page import written  # noqa: PLC0415
    from pipeline.series import PictureStore  # noqa: PLC0415

    shown = page_of_series(stretch, PictureStore(link, settings))
    about = {"version": version("rungwatch"), "stream": stretch.stream_id}
    return written(shown, settings=about, generated_at=datetime.now(UTC))


def _write_page(page: str, stream: str, out: Path | None, *, wanted: bool) -> None:
    if not wanted:
        return
    if out is not None and str(out) == "-":
        click.echo(page)
        return
    path = out or Path(f"report-{re.sub(r'[^A-Za-z0-9._-]+', '_', stream)[:100]}.html")
    _check(path)
    path.write_text(page, encoding="utf-8")
    click.echo(f"report: {path}", err=True)


def _write_data(stretch: "Stretch", chosen: str, out: Path | None) -> None:
    from pipeline.report import stretch_formats as formats  # noqa: PLC0415

    path = None if out is None or str(out) == "-" else out
    if chosen == "parquet":
        if path is None:
            raise click.UsageError("--format parquet writes binary data: name a file with --out FILE.parquet")
        formats.write_parquet(stretch, path, _beside(path))
    elif path is None:
        (formats.write_json if chosen == "json" else formats.write_csv)(stretch, sys.stdout)
        return
    elif chosen == "json":
        with path.open("w", encoding="utf-8") as stream:
            formats.write_json(stretch, stream)
    else:
        with path.open("w", encoding="utf-8", newline="") as stream:
            formats.write_csv(stretch, stream)
        with _beside(path).open("w", encoding="utf-8", newline="") as stream:
            formats.write_incidents_csv(stretch, stream)
    beside = f", {_beside(path)}" if chosen != "json" else ""
    click.echo(f"report: {path}{beside}", err=True)


def _format_of(out: Path | None) -> str:
    suffix = out.suffix.removeprefix(".").lower() if out else "html"
    if suffix == "htm" or (out is not None and str(out) == "-"):
        return "html"
    if suffix not in FORMATS:
        raise click.UsageError(f"--out {out}: say --format, as the name does not tell ({', '.join(FORMATS)})")
    return suffix


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.incidents{path.suffix}")


def _check(path: Path) -> None:
    """Refuse what could not be written before anything is read."""
    if str(path) != "-" and not path.resolve().parent.is_dir():
        raise click.UsageError(f"{path}: no such folder; make it first, or name a file in one that exists.")
