"""`rungwatch check`: what a playlist or manifest does that it should not, without decoding a picture."""

import sys
import threading
import time
from typing import TYPE_CHECKING

import click

from workers.cli.options import port_option

if TYPE_CHECKING:
    from pipeline.errors import Rejected, Transient
    from pipeline.ingest.presentation import Update
    from schemas import ManifestFinding, SegmentReady
    from schemas.record import Record
    from workers.service.sources import SourceSpec

EXIT_FOUND, EXIT_UNREADABLE = 3, 4

EPILOG = """
\b
Examples:
  rungwatch check https://host/vod/master.m3u8             read it once
  rungwatch check https://host/live/manifest.mpd --for 60  follow it for a minute
  rungwatch check URL --for 60 --format json || exit 1     in a CI pipeline

\b
Exit codes:
  0  nothing was found
  2  the command was called wrongly
  3  something was found
  4  it could not be read
"""


@click.command(epilog=EPILOG)
@click.argument("address", metavar="PATH_OR_URL")
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="Follow a live presentation for so long; 0: one look.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one ManifestFinding a line, as they are found.",
)
@port_option
def check(address: str, seconds: float, format_name: str, port: int | None) -> None:
    """Check an HLS or DASH presentation: stale, changed or missing segments, broken promises, clocks that jump.

    Reads playlists and manifests only. What lasts is told once when it begins and once when it is over.
    """  # fmt: skip
    from pipeline.ingest import Fetcher  # noqa: PLC0415 - heavy: after the options are checked
    from workers.cli.options import settings_with  # noqa: PLC0415
    from workers.service.follow import Follower  # noqa: PLC0415
    from workers.service.live import opener  # noqa: PLC0415
    from workers.service.sources import SourceSpec  # noqa: PLC0415

    settings = settings_with(port=port)
    checked = _Checked(as_json=format_name == "json", one_look=seconds == 0)
    with Fetcher(settings.fetch) as fetcher:
        follower = Follower(opener(settings, fetcher), checked, threads=1, ends=True)
        follower.set_sources([SourceSpec(id="checked", url=address)])
        timer = threading.Timer(seconds, checked.stop.set) if seconds else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            follower.run(checked.stop)
        except KeyboardInterrupt:
            checked.stop.set()
        finally:
            if timer is not None:
                timer.cancel()
    if not checked.was_read:
        sys.exit(EXIT_UNREADABLE)
    if format_name == "text":
        click.echo(checked.summary(), err=True)
    sys.exit(EXIT_FOUND if checked.found else 0)


class _Checked:
    """Implements `Sink`: counts segments, prints findings."""

    def __init__(self, *, as_json: bool, one_look: bool) -> None:
        self._as_json, self._one_look = as_json, one_look
        self._began = time.monotonic()
        self._segments = 0
        self.stop = threading.Event()
        self.was_read = False
        self.found = 0

    def event(self, event: "SegmentReady") -> bool:
        self._segments += 1
        return True

    def finding(self, finding: "ManifestFinding") -> None:
        self.found += finding.over_at is None
        if self._as_json:
            click.echo(finding.model_dump_json(exclude_none=True))
            return
        where = f"{finding.rendition_id}: " if finding.rendition_id else ""
        over = "over: " if finding.over_at else ""
        style = {"critical": "red", "warning": "yellow"}.get(finding.severity.value)
        click.echo(
            f"{finding.found_at:%H:%M:%S} UTC  {click.style(finding.kind.value, fg=style)}  {over}{where}{finding.text}"
        )

    def opened(self, source: "SourceSpec", update: "Update") -> None:
        self.was_read = True
        if not self._as_json:
            kind = "live" if update.is_live else "on demand"
            aligned = update.aligned_by.value.replace("_", " ") if update.aligned_by else "nothing: not comparable"
            click.echo(f"{len(update.ladder.renditions)} renditions, {kind}, aligned by {aligned}", err=True)
            for note in update.notes:
                click.echo(f"note: {note}", err=True)

    def looked(self, source: "SourceSpec", position: "Record | None") -> None:
        if self._one_look:
            self.stop.set()

    def failed(self, source: "SourceSpec", error: "Rejected | Transient") -> None:
        click.echo(f"rungwatch: {error}", err=True)
        if not self.was_read:
            self.stop.set()

    def summary(self) -> str:
        seconds = time.monotonic() - self._began
        return f"{self._segments} segments in {seconds:.0f} s, {self.found or 'no'} finding{'s' * (self.found != 1)}"
