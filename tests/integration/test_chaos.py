"""Chaos, the short form: everything is killed or restarted once or more, and every point is the undisturbed one."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_nothing_is_lost_and_nothing_differs_while_everything_is_killed() -> None:
    # In a process of its own: kafka-python leaves a socket to the garbage collector whenever a broker refuses it.
    paths = [str(TESTS), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", "chaos.chaos", "--short", "--seed", "7"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=420,
    )
    print(done.stderr, done.stdout)
    assert done.returncode == 0
