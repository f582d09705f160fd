"""The command `rungwatch`: the composition root. Each command is loaded when it is asked for."""

import importlib
import os
import sys

import click

# Read by the OpenMP of torch when it is loaded. Its threads else wait for each other by spinning, on the cores that the
# decoders need: on two cores that other work shared, scoring took four times the CPU time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

COMMANDS = {
    "score": "workers.cli.score:score",
    "demo": "workers.cli.demo:demo",
    "watch": "workers.cli.watch:watch",
    "worker": "workers.cli.worker:worker",
    "ingest": "workers.cli.ingest:ingest",
    "check": "workers.cli.check:check",
    "sources": "workers.cli.sources:sources",
    "replay": "workers.cli.replay:replay",
    "rescore": "workers.cli.rescore:rescore",
    "doctor": "workers.cli.doctor:doctor",
    "simulate": "workers.cli.simulate:simulate",
    "train": "workers.cli.train:train",
    "topics": "workers.cli.topics:topics",
    "series": "workers.cli.series:series",
    "report": "workers.cli.report:report",
    "grafana": "workers.cli.grafana:grafana",
    "serve": "workers.cli.serve:serve",
    "export": "workers.cli.export:export",
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use: `rungwatch --help` must not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name]} is not a command")
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `rungwatch demo`; then `rungwatch score --ladder 1080p.mp4 720p.mp4 480p.mp4`.",
)
@click.version_option(package_name="rungwatch", message="%(prog)s %(version)s")
def cli() -> None:
    """Watch the picture quality of every rung of a bitrate ladder, without a pristine reference.

    Scores are 0-100 on the scale of VMAF: 100 is as good as the pristine source, 6 points are about one
    just-noticeable difference. The best rung of a ladder, decoded anyway, is what the others are measured against.
    """


def main() -> None:
    """Run the command line; errors of ours become one line and an exit code, never a stack."""
    from pipeline.errors import Rejected, Transient, UsageError  # noqa: PLC0415 - after --help is answered

    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except UsageError as error:
        click.echo(f"rungwatch: {error}", err=True)
        sys.exit(2)
    except (Rejected, Transient) as error:
        click.echo(f"rungwatch: {error}", err=True)
        sys.exit(4)
    except BrokenPipeError:  # `rungwatch score ... | head`
        sys.stderr.close()
        sys.exit(141)


if __name__ == "__main__":
    main()
