"""`rungwatch simulate`: a live origin on this machine, and the faults of one that runs."""

import json
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli.progress import Progress

if TYPE_CHECKING:
    from workers.simulate import Origin, Scripted

DEFAULT_PORT = 8888
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
TIMEOUT_SECONDS = 30.0

EPILOG = """
\b
Examples:
  rungwatch simulate                                    a programme of photographs, live, in four rungs
  rungwatch watch http://127.0.0.1:8888/live/master.m3u8        in a second terminal
  rungwatch simulate fault starved --rung 270p --for 20         in a third: a fault
  rungwatch simulate fault                              the faults there are, and which are on
  rungwatch simulate --fault frozen@30+16 --fault time_jump@60  faults that come by themselves
  rungwatch simulate my.mp4 --ladders 100 --rungs 5     a hundred streams of your own video, for a bench

\b
A file of faults (--faults), in YAML:
  - starved@30+20:270p             name@start+duration:rung=value; all after the start may be left out
  - {fault: slow, at: 60, for: 10, value: 2}
"""


class _ServesByDefault(click.Group):
    """A group whose arguments are those of `serve`, unless they begin with the name of another command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["serve", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ServesByDefault, add_help_option=False)
def simulate() -> None:
    """Serve a live ladder as HLS and DASH, with faults on command."""


@simulate.command(epilog=EPILOG)
@click.argument("video", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--programme", is_flag=True, help="Photographs in motion, as without VIDEO.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve on. The control has no password: keep it on this machine.",
)
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=DEFAULT_PORT, show_default=True, help="0: any free one."
)
@click.option(
    "--segment-seconds",
    type=click.FloatRange(0.5, 20),
    default=2.0,
    show_default=True,
    help="Duration of a segment; whole pictures are kept.",
)
@click.option("--window", type=click.IntRange(3, 1000), default=6, show_default=True, help="Segments in a playlist.")
@click.option("--rungs", type=click.IntRange(3, 5), default=4, show_default=True, help="Rungs of the ladder.")
@click.option(
    "--height",
    "height_px",
    type=click.IntRange(96, 1080),
    default=360,
    show_default=True,
    help="Of the top rung, in pixels; small ones are encoded quickly.",
)
@click.option(
    "--loop-seconds",
    type=click.FloatRange(4, 600),
    default=32.0,
    show_default=True,
    help="So much is encoded, and repeated with time stamps that go on.",
)
@click.option(
    "--at-loop",
    type=click.Choice(("continue", "discontinuity")),
    default="continue",
    show_default=True,
    help="What happens to the time stamps when the loop begins again.",
)
@click.option(
    "--mpd",
    type=click.Choice(("timeline", "duration")),
    default="timeline",
    show_default=True,
    help="How the DASH manifest numbers segments: SegmentTimeline, or @duration.",
)
@click.option(
    "--ll", "low_latency", is_flag=True, help="LL-HLS: parts of half a second, blocking reload, delta updates."
)
@click.option(
    "--ladders",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Streams: the same encodes under other names, shifted in time.",
)
@click.option("--cdns", type=click.IntRange(2, 4), help="CDNs, each on a port of its own, as redundant variants.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME@START[+DURATION][:RUNG][=VALUE]",
    help="A fault that comes by itself, so many seconds after the start. May be repeated.",
)
@click.option(
    "--faults",
    "faults_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Faults that come by themselves, in YAML.",
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End after so long.  [default: on Ctrl-C]",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the encodes.  [default: .cache/rungwatch/simulate in the home folder]",
)
def serve(
    video: Path | None,
    programme: bool,
    host: str,
    port: int,
    segment_seconds: float,
    window: int,
    rungs: int,
    height_px: int,
    loop_seconds: float,
    at_loop: Any,
    mpd: Any,
    low_latency: bool,
    ladders: int,
    cdns: int | None,
    faults: tuple[str, ...],
    faults_file: Path | None,
    seconds: float | None,
    cache: Path | None,
) -> None:
    """Serve a live ladder as HLS and DASH at once, out of real encodes, with faults on command.

    The ladder is encoded once (10 to 20 seconds; nothing the second time) and then published segment by segment on the
    wall clock: HLS in CMAF and in transport streams, and DASH with the same CMAF segments.

    `rungwatch simulate fault` switches faults on while it runs, and lists them.
    """
    from pipeline.errors import UsageError  # noqa: PLC0415 - heavy: after the options are checked
    from workers.simulate import Origin, Plan, prepare  # noqa: PLC0415

    if programme and video is not None:
        raise UsageError("name a video, or --programme for the photographs; not both")
    script = _script(faults, faults_file)
    started = time.monotonic()
    plan = Plan(video, rungs, height_px, segment_seconds, loop_seconds)
    folder = cache or Path.home() / ".cache" / "rungwatch" / "simulate"
    with Progress() as progress:
        encodes = prepare(plan, folder, lambda share, text: progress.say(f"{share:4.0%}  {text}"))
    origin = Origin(
        encodes,
        host=host,
        port=port,
        window=window,
        ladders=ladders,
        cdns=cdns or 0,
        addressing=mpd,
        at_loop=at_loop,
        low_latency=low_latency,
        script=script,
    )
    with origin:
        _greet(origin, time.monotonic() - started)
        _wait(seconds)
    click.echo("stopped")


@simulate.command()
@click.argument("name", required=False)
@click.option("--rung", metavar="NAME", help="Of one rung, or `all`.  [default: as the fault has it]")
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long.  [default: as the fault has it]",
)
@click.option("--value", type=float, metavar="NUMBER", help="How much, where the fault has a choice.")
@click.option("--stream", metavar="NAME", help="Of one stream.  [default: every stream]")
@click.option("--off", is_flag=True, help="End it; without NAME: end all.")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Where the origin is.")
def fault(
    name: str | None,
    rung: str | None,
    seconds: float | None,
    value: float | None,
    stream: str | None,
    off: bool,
    url: str,
) -> None:
    """Switch fault NAME on at a `rungwatch simulate` that runs; without NAME, list what there is and what is on."""
    if off:
        ended = _asked(url, "DELETE", f"/control/faults/{name or ''}")["ended"]
        click.echo(f"ended: {', '.join(_in_words(each) for each in ended)}" if ended else "none was on")
    elif name is None:
        _list(_asked(url, "GET", "/control"))
    else:
        wanted = {"fault": name, "rung": rung, "seconds": seconds, "value": value, "stream": stream}
        made = _asked(url, "POST", "/control/faults", wanted)
        click.echo(f"on: {_in_words(made)}, for {made['until'] - made['since']:.0f} s")
        click.echo(f"to be found: {made['finding']}")


fault.epilog = "Run it without NAME to see the faults: each with what it does and what a monitor should find."


def _script(faults: tuple[str, ...], file: Path | None) -> "list[Scripted]":
    from workers.simulate import scripted, scripted_list  # noqa: PLC0415

    script = [scripted(text) for text in faults]
    if file is not None:
        import yaml  # noqa: PLC0415

        from pipeline.errors import UsageError  # noqa: PLC0415

        try:
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as exc:
            raise UsageError(f"{file}: is not YAML ({' '.join(str(exc).split())}); correct it") from exc
        script += scripted_list(document, str(file))
    return script


def _greet(origin: "Origin", seconds: float) -> None:
    encodes = origin.encodes
    rungs = ", ".join(f"{rung.name} {rung.plan.codec}" for rung in encodes.rungs)
    click.echo(f"Live after {seconds:.0f} s: {rungs}; segments of {origin.segment_seconds:g} s, a loop of "
               f"{encodes.segments * origin.segment_seconds:g} s")  # fmt: skip
    click.echo(f"  HLS   {origin.hls_url}")
    click.echo(f"        {origin.hls_ts_url}  (transport streams)")
    click.echo(f"  DASH  {origin.dash_url}")
    if len(origin.streams) > 1:
        click.echo(f"  and so on, up to {origin.streams[-1]}")
    click.echo(f"Faults: rungwatch simulate fault{'' if origin.url == DEFAULT_URL else f' --url {origin.url}'}")
    click.echo("Ctrl-C ends it.")
    sys.stdout.flush()


def _wait(seconds: float | None) -> None:
    """Wait for the time to be over, Ctrl-C or SIGTERM."""
    over = threading.Event()
    before = {each: signal.signal(each, lambda *_: over.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        over.wait(seconds)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _list(told: dict[str, Any]) -> None:
    click.echo(f"{told['hls']}  rungs: {', '.join(told['rungs'])}\n")
    for title, faults in (("on", told["on"]), ("to come", told["to_come"])):
        for each in faults:
            begins = f"in {each['since'] - told['now']:.0f} s, " if title == "to come" else ""
            click.echo(f"{title}: {_in_words(each)}, {begins}until {each['until'] - told['now']:.0f} s from now")
    if not told["on"]:
        click.echo("no fault is on")
    click.echo("\nfaults there are:")
    for each in told["kinds"]:
        click.echo(f"  {each['fault']:17}{each['help']}\n{'':19}found as: {each['finding']}")


def _in_words(told: dict[str, Any]) -> str:
    return " of ".join(str(each) for each in (told["fault"], told["rung"], told["stream"]) if each)


def _asked(url: str, method: str, path: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the control of an origin. Raises UsageError."""
    from pipeline.errors import UsageError  # noqa: PLC0415

    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is no address of an origin such as {DEFAULT_URL}")
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(
        url.rstrip("/") + path, data=body, method=method, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as exc:
        raise UsageError(_said(exc)) from exc
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "reason", exc)
        raise UsageError(f"{url}: no origin answers there ({reason}); start one with `rungwatch simulate`") from exc
    if not isinstance(answer, dict):
        raise UsageError(f"{url}: is not an origin of `rungwatch simulate`; name its address with --url")
    return answer


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{error.url}: answers {error.code}; is it an origin of `rungwatch simulate`?"
