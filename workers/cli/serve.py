"""`rungwatch serve`: the API and the page over what Redis holds."""

from contextlib import ExitStack
from pathlib import Path

import click

from workers.cli.options import redis_option
from workers.cli.series import state_option

EPILOG = """
\b
Examples:
  rungwatch serve                                   http://127.0.0.1:8090/ over the Redis of RUNGWATCH_REDIS_URL
  rungwatch serve --state DIR                       over what `rungwatch watch --state DIR` stores
  RUNGWATCH_API_TOKEN=$(openssl rand -hex 24) rungwatch serve --host 0.0.0.0
  curl 'http://127.0.0.1:8090/api/v1/ladder?stream=news'
  curl 'http://127.0.0.1:8090/api/v1/series?stream=news&last=6h&format=csv'
  curl -N 'http://127.0.0.1:8090/api/v1/events?stream=news'

\b
What there is, with examples: /openapi.json. For Prometheus and containers: /metrics, /healthz, /readyz.

\b
Exit codes:
  0  stopped by SIGTERM or Ctrl-C
  2  the port is taken, or others could reach it and there is no token: the message says what to set
"""


@click.command(epilog=EPILOG)
@click.option("--host", metavar="ADDRESS",
              help="Serve there; any but this machine needs RUNGWATCH_API_TOKEN.  "
              "[default: RUNGWATCH_API_HOST, 127.0.0.1]")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), metavar="N",
              help="[default: RUNGWATCH_API_PORT, 8090; 0: any free one]")  # fmt: skip
@redis_option
@state_option
def serve(host: str | None, port: int | None, redis: str | None, state: Path | None) -> None:
    """Serve the API and the page: all streams, quality over time, findings, worst frames, live.

    For this machine only unless you say otherwise: then every client must know the token. Nothing can be changed
    but annotations. Redis may come and go; the page says so.
    """
    from workers.cli.logs import log_to_stderr  # noqa: PLC0415 - heavy: after the options are checked
    from workers.cli.options import settings_with  # noqa: PLC0415
    from workers.cli.series import settings_of  # noqa: PLC0415
    from workers.service.serve import run_serve  # noqa: PLC0415

    log_to_stderr()
    with ExitStack() as stack:
        settings = settings_with()
        said = {"host": host, "port": port}
        api = settings.api.model_copy(update={name: value for name, value in said.items() if value is not None})
        run_serve(settings.model_copy(update={"api": api, "redis": settings_of(redis, state, stack)}))
