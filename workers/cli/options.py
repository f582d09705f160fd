"""Options that several commands share, and what they come to."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from workers.service.stack import ScoringOptions

SAMPLERS = ("frame_difference", "uniform", "mixed")

Command = Callable[..., Any]


def _with(*options: Command) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


model_options = _with(
    click.option("--model", default="nano", show_default=True, metavar="NAME|FILE",
                 help="Model by name, or the path of a .safetensors checkpoint."),
    click.option("--device", default="cpu", show_default=True, metavar="DEVICE",
                 help="Where the model runs: cpu, cuda, cuda:1. Decoding is always on the CPU."),
    click.option("--decoders", type=click.IntRange(0), default=0, metavar="N",
                 help="Decoder processes.  [default: one a core, at most 8]"),
    click.option("--i-know-these-weights-are-untrained", "allow_untrained", is_flag=True,
                 help="Let --model name a size without trained weights; its scores mean nothing."),
)  # fmt: skip

sampler_options = _with(
    click.option("--facts", type=click.Choice(["auto", "none"]), default="auto", show_default=True,
                 help="none: judge by pixels and sizes only, not by bitrate, codec or quantiser."),
    click.option("--sampler", type=click.Choice(SAMPLERS), default="frame_difference", show_default=True,
                 help="Which frames of a segment are looked at."),
    click.option("--frames", type=click.IntRange(1, 64), default=8, show_default=True, help="How many, per segment."),
)  # fmt: skip

ladder_options = _with(
    click.option("--ladder", is_flag=True, help="The files given are renditions of one content: compare them."),
    click.option("--basis", type=click.Choice(["auto", "alone"]), default="auto", show_default=True,
                 help="auto: rungs of a ladder against its best rung. alone: every rung by itself."),
    click.option("--display-height", type=click.IntRange(16, 16384), metavar="LINES",
                 help="Height of the display the quality is judged on.  [default: the top rung's]"),
    click.option("--segment-seconds", type=click.FloatRange(0.2, 600), default=6.0, show_default=True,
                 help="How a plain file is cut."),
)  # fmt: skip

access_options = _with(
    click.option("--root", "roots", multiple=True, metavar="DIR",
                 type=click.Path(exists=True, file_okay=False, path_type=Path),
                 help="Read local files below this folder, and nothing else from disk; may be repeated.  "
                 "[default: the current one]"),
    click.option("--host", "hosts", multiple=True, metavar="NAME",
                 help="Read http(s) from this host; may be repeated; '*': any.  "
                 "[default: RUNGWATCH_FETCH_HOSTS; none]"),
)  # fmt: skip

live_options = _with(
    click.option("--once", is_flag=True, help="Of live streams, take what they list now, and end."),
    click.option("--late-seconds", type=click.FloatRange(1), default=60.0, show_default=True,
                 help="Live segments that wait longer than this are skipped and counted."),
    click.option("--state", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
                 help="Keep there what a later run goes on from.  "
                 "[default: RUNGWATCH_STATE_FOLDER, ~/.local/state/rungwatch]"),
)  # fmt: skip

kafka_option = click.option(
    "--kafka",
    metavar="HOST:PORT,...",
    help="Brokers to ask first.  [default: RUNGWATCH_KAFKA_BOOTSTRAP, localhost:9092]",
)
redis_option = click.option(
    "--redis", metavar="URL",
    help="redis://, rediss://, ...  [default: RUNGWATCH_REDIS_URL, redis://localhost:6379/0]",
)  # fmt: skip
port_option = click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N",
    help="Serve /metrics, /healthz and /readyz there.  [default: RUNGWATCH_SERVICE_PORT; 0: not at all]",
)  # fmt: skip


def settings_with(
    *,
    kafka: str | None = None,
    redis: str | None = None,
    port: int | None = None,
    instance: str | None = None,
    roots: tuple[Path, ...] = (),
    hosts: tuple[str, ...] = (),
) -> "Settings":
    """Return the settings of the environment, with what the command line says instead."""
    from pydantic import SecretStr  # noqa: PLC0415 - heavy: after the options are checked

    from pipeline.settings import load  # noqa: PLC0415

    settings = load()
    bus: dict[str, Any] = {"bootstrap": kafka, "instance_id": instance}
    fetch: dict[str, Any] = {"roots": roots, "hosts": hosts}
    return settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={name: said for name, said in bus.items() if said}),
            "fetch": settings.fetch.model_copy(update={name: said for name, said in fetch.items() if said}),
            "redis": settings.redis.model_copy(update={"url": SecretStr(redis)} if redis else {}),
            "service": settings.service.model_copy(update={} if port is None else {"port": port}),
        }
    )


def scoring_options(
    model: str, device: str, decoders: int, allow_untrained: bool, facts: str, sampler: str, frames: int
) -> "ScoringOptions":
    """Return what `model_options` and `sampler_options` say."""
    from pipeline.clips import SamplerChoice  # noqa: PLC0415
    from workers.models.choice import ModelChoice  # noqa: PLC0415
    from workers.service.stack import ScoringOptions  # noqa: PLC0415

    choice = ModelChoice(model, device, facts == "none", allow_untrained)
    return ScoringOptions(choice, SamplerChoice(sampler, frames), decoders)


def state_folder(command: str) -> Path:
    """Return where a command keeps its state unless it is told otherwise."""
    from pipeline.settings import load  # noqa: PLC0415

    return (load().state_folder or Path.home() / ".local" / "state" / "rungwatch") / command
