"""`rungwatch grafana`: dashboards, data sources and alert rules into a Grafana or into files, and annotations."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli.options import port_option, redis_option
from workers.cli.series import state_option

if TYPE_CHECKING:
    from pipeline.grafana.push import Step
    from pipeline.settings import GrafanaSettings

EPILOG = """
\b
Examples:
  rungwatch grafana push --url https://grafana.example --token-file token --dry-run     what would be done
  rungwatch grafana push --url https://grafana.example --token-file token --page-url https://rungwatch.example
  rungwatch grafana export docker/grafana           the same as files that Grafana reads at its start
  rungwatch grafana annotate                        findings and incidents, as they happen, until SIGTERM
  rungwatch grafana annotate --dry-run --once       what would be sent, without a Grafana

\b
Where Grafana is can be set in the environment:
  RUNGWATCH_GRAFANA_URL=https://grafana.example/path
  RUNGWATCH_GRAFANA_TOKEN=...     of a service account: role Admin for push, Editor for annotate
  RUNGWATCH_API_TOKEN=...         of our API, which the data source needs where `rungwatch serve` asks for it

\b
Exit codes:
  0  done, or nothing to do
  2  the command was called wrongly, or Grafana refuses
  3  something was left alone, as somebody else changed it (--overwrite)
  4  Grafana or Redis cannot be reached
"""
LEFT_ALONE = 3
WIDTH = 11
MOST_PATHS = 12
"""Of one thing; there are hundreds where a dashboard was made anew."""


def _with(*options: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
server_options = _with(
    click.option("--url", metavar="URL",
                 help="Of Grafana.  [default: RUNGWATCH_GRAFANA_URL, http://localhost:3000]"),
    click.option("--token-file", type=_FILE, metavar="FILE",
                 help="Holds the token of a service account.  [default: RUNGWATCH_GRAFANA_TOKEN]"),
    click.option("--user", metavar="NAME", help="Instead of a token.  [default: RUNGWATCH_GRAFANA_USER]"),
    click.option("--password-file", type=_FILE, metavar="FILE",
                 help="Holds the user's password.  [default: RUNGWATCH_GRAFANA_PASSWORD]"),
)  # fmt: skip
site_options = _with(
    click.option("--page-url", metavar="URL", help="Of our page, as browsers reach it; links go there.  "
                 "[default: RUNGWATCH_GRAFANA_PAGE_URL, http://localhost:8090]"),
    click.option("--api-url", metavar="URL", help="Of our API, as Grafana reaches it.  "
                 "[default: RUNGWATCH_GRAFANA_API_URL, http://localhost:8090]"),
    click.option("--prometheus-url", metavar="URL", help="Of Prometheus, as Grafana reaches it.  "
                 "[default: RUNGWATCH_GRAFANA_PROMETHEUS_URL, http://localhost:9090]"),
    click.option("--prometheus-uid", metavar="UID", help="Use this data source, which is there already.  "
                 "[default: RUNGWATCH_GRAFANA_PROMETHEUS_UID]"),
)  # fmt: skip


@click.group(epilog=EPILOG)
def grafana() -> None:
    """Show what Rungwatch sees in Grafana 10 to 13.

    Needs the plugin Infinity (yesoreyeram-infinity-datasource) there, which reads our API (`rungwatch serve`), and a
    Prometheus that scrapes our processes.
    """


@grafana.command()
@server_options
@site_options
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--overwrite", is_flag=True, help="Also what somebody else changed.")
@click.option("--renew-secrets", is_flag=True,
              help="Send the token of our API again: Grafana never shows the one that it has.")  # fmt: skip
def push(dry_run: bool, overwrite: bool, renew_secrets: bool, **options: Any) -> None:
    """Make or update folder, data sources, dashboards and alert rules, by their uids.

    A second time there is nothing to do. What somebody changed in Grafana is left alone, and said.
    """
    from contextlib import closing  # noqa: PLC0415 - heavy: after the options are checked

    _needs_the_client()
    from pipeline.grafana import push as pushing  # noqa: PLC0415
    from pipeline.grafana.names import FOLDER_TITLE  # noqa: PLC0415
    from pipeline.grafana.server import Grafana, newness  # noqa: PLC0415
    from pipeline.settings import load  # noqa: PLC0415

    settings = _settings(options)
    with closing(Grafana(settings)) as server:
        version = server.version()
        notes = [newness(version)]
        server.check_account()
        notes.append(pushing.check_plugin(server))
        for note in notes:
            if note is not None:
                click.echo(f"note: {note}", err=True)
        click.echo(f"Grafana {version} at {server.where}, folder {FOLDER_TITLE}")
        wanted = pushing.wanted(site_of(settings), load().api.token, renew_secrets=renew_secrets)
        steps = pushing.plan(server, wanted, overwrite=overwrite)
        if dry_run:
            for step in steps:
                _print(step)
        else:
            steps = pushing.apply(server, steps, overwrite=overwrite, done=_print)
    _sum_up(steps, dry_run)
    if any(step.action is pushing.Action.LEAVE for step in steps):
        sys.exit(LEFT_ALONE)


@grafana.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@site_options
@click.option("--provisioning", default="/etc/grafana/provisioning", show_default=True, metavar="DIR",
              help="Where FOLDER/provisioning lies for Grafana.")  # fmt: skip
def export(folder: Path, provisioning: str, **options: Any) -> None:
    """Write the tree of files that Grafana reads at its start into FOLDER.

    The token of our API stays out of them: Grafana takes it from RUNGWATCH_API_TOKEN of its own environment. What
    comes from files can be changed in files only; `push` cannot change it any more.
    """
    from pipeline.grafana.provisioning import export as write  # noqa: PLC0415

    for path in write(folder, site_of(_settings(options)), provisioning):
        click.echo(path)


@grafana.command()
@server_options
@redis_option
@state_option
@port_option
@click.option("--once", is_flag=True, help="Send what there is now, and end.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and ask no Grafana.")
def annotate(
    redis: str | None, state: Path | None, port: int | None, once: bool, dry_run: bool, **options: Any
) -> None:
    """Send findings and incidents of live streams to Grafana as annotations, until SIGTERM.

    Each is sent once, whatever breaks in between, and is given its end when it is over. They carry the tags
    `rungwatch`, `stream:...`, `rendition:...`, their kind and their severity: show them on dashboards of your own by
    these. Several processes may run; one of them sends.
    """
    _needs_the_client()
    from workers.cli.logs import log_to_stderr  # noqa: PLC0415
    from workers.cli.options import settings_with  # noqa: PLC0415
    from workers.cli.series import settings_of  # noqa: PLC0415
    from workers.service.annotate import run_annotate  # noqa: PLC0415

    log_to_stderr()
    with ExitStack() as stack:
        asked = {"grafana": _settings(options), "redis": settings_of(redis, state, stack)}
        run_annotate(settings_with(port=port).model_copy(update=asked), once=once, say=click.echo if dry_run else None)


def site_of(settings: "GrafanaSettings") -> Any:
    """Return where things are, as the dashboards are to say it."""
    from pipeline.grafana.names import Site  # noqa: PLC0415

    return Site(settings.page_url, settings.api_url, settings.prometheus_url, settings.prometheus_uid)


def _needs_the_client() -> None:
    from importlib.util import find_spec  # noqa: PLC0415

    from pipeline.errors import UsageError  # noqa: PLC0415

    if find_spec("grafana_client") is None:
        raise UsageError("to talk to Grafana one more package is needed: pip install 'rungwatch[grafana]'")


def _settings(options: dict[str, Any]) -> "GrafanaSettings":
    """Return the settings of the environment with the options over them."""
    from pydantic import ValidationError  # noqa: PLC0415

    from pipeline.errors import UsageError  # noqa: PLC0415
    from pipeline.settings import GrafanaSettings  # noqa: PLC0415

    given = {name: value for name, value in options.items() if value is not None}
    for option, name in (("token_file", "token"), ("password_file", "password")):
        if (path := given.pop(option, None)) is not None:
            given[name] = path.read_text(encoding="utf-8").strip()
    try:
        settings = GrafanaSettings(**given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "_".join(map(str, first["loc"])).upper()
        raise UsageError(f"RUNGWATCH_GRAFANA_{name}: {first['msg']}") from None
    if "user" in given and "token" not in given:  # said on the command line, it counts for more than the environment
        settings = settings.model_copy(update={"token": None})
    return settings


def _print(step: "Step") -> None:
    what = f"{step.resource.kind:11}  {step.resource.title} ({step.resource.uid})"
    click.echo(f"  {step.action.value:{WIDTH}}  {what}")
    if step.reason:
        click.echo(f"  {'':{WIDTH}}    {step.reason}")
    shown = step.differences[:MOST_PATHS] if step.action.value != "unchanged" else ()
    for difference in shown:
        click.echo(f"  {'':{WIDTH}}    {difference}")
    if len(shown) < len(step.differences):
        click.echo(f"  {'':{WIDTH}}    and {len(step.differences) - len(shown)} more")


def _sum_up(steps: "list[Step]", dry_run: bool) -> None:
    count = {word: sum(step.action.value == word for step in steps) for word in ("create", "change", "unchanged")}
    left = sum(step.action.value == "left alone" for step in steps)
    made, changed = ("to create", "to change") if dry_run else ("created", "changed")
    text = f"{count['create']} {made}, {count['change']} {changed}, {count['unchanged']} unchanged"
    if left:
        text += f", {left} left alone (--overwrite replaces what others changed)"
    click.echo(text)
