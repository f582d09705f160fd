"""The other commands: doctor, help, and the demo from end to end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from workers.cli.main import COMMANDS, cli


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workers.cli.main", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_doctor_names_the_model_and_what_was_measured() -> None:
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == 0, result.output
    assert "nano @ " in result.output
    assert "SROCC" in result.output
    assert "Scoring works here" in result.output


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 5


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from workers.cli.main import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'av', 'numpy', 'plotly', 'pyarrow', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)


def test_the_threads_of_the_model_do_not_wait_by_spinning() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import workers.cli.main, torch"],
        check=True, capture_output=True, text=True, env={**os.environ, "OMP_DISPLAY_ENV": "VERBOSE"},
    )  # fmt: skip
    assert "GOMP_SPINCOUNT = '0'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["score"], "Missing argument"),
        (["score", "--frames", "0", "a.mp4"], "--frames"),
        (["score", "--model", "huge", "a.mp4"], "no such model"),
        (["score", "--format", "parquet", "a.mp4"], "--out"),
        (["score", "--report", "no/such/folder/r.html", "a.mp4"], "no such folder"),
        (["score", "--device", "cuda:99", "a.mp4"], "--device cpu"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_what_to_do(arguments: list[str], word: str) -> None:
    done = _command(*arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_finds_what_it_built_in(tmp_path: Path) -> None:
    done = _command("demo", "--out", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("found   ") == 2
    assert "MISSED" not in done.stdout
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    assert "uPlot" in page
    assert "data:image/jpeg;base64," in page
