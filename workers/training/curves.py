"""The loss curve of a run as a picture in its folder."""

import json
from pathlib import Path


def draw(run: Path) -> Path | None:
    """Draw ``losses.jsonl`` of a run into ``losses.png``; None: there is nothing to draw."""
    log = run / "losses.jsonl"
    if not log.exists():
        return None
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([row["epoch"] for row in rows], [row["loss"] for row in rows], marker="o")
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean loss of the epoch")
    axes.grid(alpha=0.3)
    path = run / "losses.png"
    figure.savefig(path, dpi=120)
    return path
