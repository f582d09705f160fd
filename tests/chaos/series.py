"""A series process of a chaos run: as `rungwatch series run` starts it."""

from pipeline.settings import load
from workers.cli.logs import log_to_stderr
from workers.service.series import run_series

if __name__ == "__main__":
    log_to_stderr()
    run_series(load(), group="series")
