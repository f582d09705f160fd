"""The commands of training, one after the other, on pictures made here: data, samples, a model, its figures."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
from command_line import Commands

from workers.training import opinion
from workers.training.sources import Split, split_of

CONTENTS: dict[Split, int] = {"train": 2, "validation": 2}
WAIT_SECONDS = 900.0  # the longest takes half a minute of one core, and cores may be shared with other tests
RECIPE = "seed = 0\npixel_cycles = [2, 2]\ntrees = 5\nepochs = 1\nfolds = 2\nthreads = 1\n"


def make_photos(folder: Path) -> None:
    """Textured pictures of both sides of the split, which hangs on their names."""
    folder.mkdir(parents=True)
    wanted = dict(CONTENTS)
    number = 0
    while any(wanted.values()):
        name = f"texture_{number}.png"
        number += 1
        if not wanted[split_of(name)]:
            continue
        wanted[split_of(name)] -= 1
        rng = np.random.default_rng(number)
        photo = np.full((288, 288, 3), 128, np.float32)
        for cell in (48, 12, 3):
            noise = rng.normal(0, 18, (288 // cell, 288 // cell, 3)).astype(np.float32)
            photo += np.asarray(cv2.resize(noise, (288, 288), interpolation=cv2.INTER_CUBIC), np.float32)
        cv2.imwrite(str(folder / name), np.clip(photo, 0, 255).astype(np.uint8))


def test_a_model_of_ones_own_from_photos_to_scores(tmp_path: Path) -> None:
    make_photos(tmp_path / "sources" / "photos")
    rungwatch = Commands(tmp_path)

    def done(*words: str | Path) -> str:
        ran = rungwatch.run(*words, wait_seconds=WAIT_SECONDS)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout + ran.stderr

    assert "4 of 4 contents" in done("train", "synthesize", "sources", "data", "--faults")
    assert "4: " in done("train", "extract", "data", "samples")
    (tmp_path / "run.toml").write_text(f'samples = "samples"\nout = "run"\n[recipe]\n{RECIPE}')
    assert "in a ladder SROCC" in done("train", "run", "run.toml")
    found = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert {"ladder", "alone", "alone_no_facts", "fault"} <= set(found["questions"])
    assert (tmp_path / "run" / "evaluation.html").stat().st_size > 0

    model = tmp_path / "run" / "nano.safetensors"
    told = done("train", "evaluate", model, "samples", "--faults", "samples", "--out", "again.json")
    assert json.loads((tmp_path / "again.json").read_text())["questions"] == found["questions"]
    assert found["model"] in told

    rows = pq.read_table(tmp_path / "data" / "index.parquet").to_pylist()[: opinion.FEWEST]
    mos = [f"data/{row['file']},{1 + 4 * row['vmaf'] / 100:.2f}" for row in rows]
    (tmp_path / "mos.csv").write_text("\n".join(["file,mos", *mos]))
    told = done("train", "calibrate", "nano", "mos.csv", "--out", "ours.safetensors", "--fine-tune")
    assert re.search(r"fine-tuned SROCC .* the map alone SROCC .* is kept", told)
    assert re.search(rf"ours\.safetensors: on {len(rows)} files, before SROCC", told)


def test_two_kinds_of_data_are_not_made_at_once(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    ran = Commands(tmp_path).run("train", "synthesize", "sources", "out", "--ladders", "--faults")
    assert ran.returncode == 2
    assert "once with each" in ran.stderr
