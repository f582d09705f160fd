"""`rungwatch train`: make data, measure it, train, evaluate, calibrate to human scores."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from workers.cli.progress import Progress

_TABLE_COLUMNS = 120  # where there is no terminal to ask
_NEEDS = "cv2", "imageio_ffmpeg", "lightgbm", "plotly", "scipy"


@click.group()
def train() -> None:
    """Train a model of your own: synthesize, extract, run, evaluate, calibrate.

    \b
    The whole way, on two cores, from a folder of pristine photographs and clips:
      rungwatch train synthesize SOURCES data/     encodes with known VMAF (hours)
      rungwatch train extract data/ samples/       decoded and measured as in production
      rungwatch train run samples/ run/            pixel networks, trees, temporal network
      rungwatch train evaluate run/nano.safetensors samples/
      rungwatch train calibrate run/nano.safetensors mos.csv --out mine.safetensors
    """
    import importlib.util  # noqa: PLC0415

    from pipeline.errors import UsageError  # noqa: PLC0415

    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"training needs more packages ({', '.join(missing)}): pip install 'rungwatch[train]'")


@train.command()
@click.argument("sources", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--contents", type=click.IntRange(1), help="Stop after so many contents.  [default: all]")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same data.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
@click.option("--ladders", is_flag=True, help="Whole ladders below a near-pristine top rung, and nothing else.")
@click.option(
    "--faults", is_flag=True, help="Short ladders with faulty rungs: noise, blur, damage, freezes, and so on."
)
def synthesize(
    sources: Path, out: Path, contents: int | None, seed: int, jobs: int, ladders: bool, faults: bool
) -> None:
    """Turn pristine photos/ and videos/ below SOURCES into ladders of real encodes.

    Every clip is labelled with VMAF, VMAF NEG and CAMBI at display size, a faulty one with its severity too. Give each
    kind a folder OUT of its own: random rungs (no option), --ladders and --faults.

    What is finished is not made again, so that an interrupted run goes on where it stopped.
    """
    from pipeline.errors import UsageError  # noqa: PLC0415
    from workers.training.synthesize import Making  # noqa: PLC0415
    from workers.training.synthesize import synthesize as make  # noqa: PLC0415

    if ladders and faults:
        raise UsageError("--ladders and --faults make different data: run it once with each, into a folder each")
    making: Making = "ladders" if ladders else "faults" if faults else "mixed"

    def report(done: Any) -> None:
        for message in done.messages:
            click.echo(f"left out: {message}", err=True)
        click.echo(
            f"{done.done} of {done.total} contents, {done.clips} clips, about {done.left_seconds / 60:.0f} min left",
            err=True,
        )

    rows = make(sources, out, contents=contents, seed=seed, jobs=jobs, report=report, making=making)
    click.echo(f"{rows} clips: {out / 'index.parquet'}")


@train.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
def extract(data: Path, out: Path, jobs: int) -> None:
    """Decode and measure what `synthesize` made, once, into OUT. Resumable."""
    from workers.training.extract import extract as measure  # noqa: PLC0415

    for number, (content, clips, trouble) in enumerate(measure(data, out, jobs=jobs), start=1):
        click.echo(f"{number}: {content}, {clips} clips" + (f"; left out: {trouble}" if trouble else ""), err=True)


@train.command()
@click.argument("samples", metavar="SAMPLES|CONFIG", type=click.Path(exists=True, path_type=Path))
@click.argument("out", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--further",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="More samples, for the trees and the temporal network alone. May be given again.",
)
@click.option(
    "--recipe",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON with the fields of a recipe that differ from the defaults.",
)
@click.option("--hours", type=click.FloatRange(0.01), help="Bring the training to its end within that time.")
@click.option("--device", help="cpu or cuda.  [default: cpu]")
def run(
    samples: Path,
    out: Path | None,
    further: tuple[Path, ...],
    recipe: Path | None,
    hours: float | None,
    device: str | None,
) -> None:
    """Train on SAMPLES, calibrate and measure on its validation contents; OUT keeps checkpoint, figures and curves.

    \b
    Or read everything from a TOML file, CONFIG; its paths are relative to it, and the options go before it:
      samples = "samples"
      further = ["ladder-samples"]
      out = "run"
      [recipe]
      pixel_cycles = [500, 1000]

    \b
    Sizes: nano and small start from nothing; swinv2-tiny, -small and -base (for a GPU) from timm's ImageNet weights:
      [recipe]
      architecture = "swinv2-tiny"
      imagenet = "model.safetensors"   of timm/swinv2_tiny_window8_256.ms_in1k; left away: timm fetches it
    """
    from dataclasses import replace  # noqa: PLC0415

    from pipeline.errors import UsageError  # noqa: PLC0415
    from workers.models.checkpoint import load  # noqa: PLC0415
    from workers.training.curves import draw  # noqa: PLC0415
    from workers.training.evaluate import describe, set_intervals, with_faults, write  # noqa: PLC0415
    from workers.training.evaluate import evaluate as measure  # noqa: PLC0415
    from workers.training.evaluation_page import write_page  # noqa: PLC0415
    from workers.training.extract import load_samples  # noqa: PLC0415
    from workers.training.run_file import RunFile  # noqa: PLC0415
    from workers.training.train import Recipe  # noqa: PLC0415
    from workers.training.train import train as fit  # noqa: PLC0415

    if samples.is_file():
        if out or further or recipe:
            raise UsageError(f"{samples} says where to, what further and how: leave OUT, --further and --recipe away")
        file = RunFile.read(samples)
    elif out is None:
        raise UsageError("say where to: rungwatch train run SAMPLES OUT, or rungwatch train run CONFIG")
    else:
        file = RunFile(samples, out, further, json.loads(recipe.read_text()) if recipe else {})
    out = file.out
    chosen = replace(Recipe.from_dict(file.recipe), device=device or file.device or "cpu")
    loaded = load_samples(file.samples)
    more = [sample for folder in file.further for sample in load_samples(folder)]
    with Progress() as progress:
        progress.say(f"{len(loaded)} clips and {len(more)} further ones")

        def report(done: Any) -> None:
            progress.say(
                f"{done.part}: step {done.step} of {done.steps}, loss {done.loss:.4f}, "
                f"about {done.left_seconds / 60:.0f} min left of it"
            )

        path = fit(loaded, out, chosen, report, further=more, hours=hours or file.hours)
    set_intervals(path, loaded)
    contents = len({sample.content for sample in loaded if sample.split == "validation"})
    measured = measure(path, loaded, with_faults([*loaded, *more]))
    found = describe(path, measured, f"{contents} contents of our own making")
    write(found, out / "evaluation.json")
    write_page(found, out / "evaluation.html")
    draw(out)
    click.echo(f"{path}: {load(path).accuracy}")


@train.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("samples", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures as JSON.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write a page with charts.")
@click.option(
    "--faults",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Samples of what `synthesize --faults` made: how faulty rungs are scored.",
)
def evaluate(model: Path, samples: Path, out: Path | None, html: Path | None, faults: Path | None) -> None:
    """Measure a checkpoint on the validation contents of SAMPLES, beside the baselines that it has to beat."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from workers.training.evaluate import evaluate as measure  # noqa: PLC0415
    from workers.training.evaluate import with_faults, write  # noqa: PLC0415
    from workers.training.extract import load_samples  # noqa: PLC0415

    found = measure(model, load_samples(samples), with_faults(load_samples(faults)) if faults else ())
    title = f"{found.model}: against VMAF on contents that it has not seen"
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, padding=0)
    for column in ("question", "clips", "SROCC", "PLCC", "KROCC", "RMSE", "within", "pairs", "coverage"):
        table.add_column(column, justify="left" if column == "question" else "right", no_wrap=True)
    for name, figures in {**found.questions, **{f"baseline: {k}": v for k, v in found.baselines.items()}}.items():
        shown = figures.to_dict()
        cells = [
            f"{shown[key]:.3f}".replace("nan", "-")
            for key in ("srocc", "plcc", "krocc", "rmse", "within", "pairs", "coverage")
        ]
        table.add_row(name, str(figures.clips), *cells)
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _TABLE_COLUMNS)
    console.print(table)
    for fault, share in found.severity.items():
        console.print(f"{fault}: the severer of two clips got the lower score in {share:.0%} of pairs")
    if out:
        write(found, out)
    if html:
        from workers.training.evaluation_page import write_page  # noqa: PLC0415

        write_page(found, html)


@train.command()
@click.argument("model", type=str)
@click.argument("ratings", metavar="MOS.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The new checkpoint.")
@click.option(
    "--scale", type=(float, float), default=(1.0, 5.0), show_default=True, help="Worst and best of your scale."
)
@click.option("--display-height", type=click.IntRange(1), help="As for score.  [default: of each file]")
@click.option("--fine-tune", is_flag=True, help="Let the last layers learn from them too, where held-out files gain.")
def calibrate(
    model: str, ratings: Path, out: Path, scale: tuple[float, float], display_height: int | None, fine_tune: bool
) -> None:
    """Fit MODEL's scores to your viewers' scores by a monotone map, and write it as a checkpoint of its own.

    MOS.csv has the columns file (a path relative to it) and mos. Every file is scored alone. The map stands in the new
    checkpoint's header: its scores are opinions, with your worst as 0 and your best as 100. With --fine-tune the last
    layers of the temporal network move as well, if files that they have not seen are then judged better.
    """
    from pipeline.errors import UsageError  # noqa: PLC0415
    from workers.models.checkpoint import save  # noqa: PLC0415
    from workers.models.ladder_model import LadderModel  # noqa: PLC0415
    from workers.models.registry import checkpoint_of  # noqa: PLC0415
    from workers.training import opinion  # noqa: PLC0415
    from workers.training.fine_tune import with_network  # noqa: PLC0415

    if scale[0] >= scale[1]:
        raise UsageError(f"--scale {scale[0]:g} {scale[1]:g}: the worst must be below the best.")
    rated = opinion.read_ratings(ratings, *scale)
    checkpoint = opinion.plain(checkpoint_of(model))
    scorer = LadderModel(checkpoint)
    with Progress() as progress:
        files = []
        for number, rating in enumerate(rated, start=1):
            progress.say(f"{number} of {len(rated)}: {rating.file.name}")
            files.append(opinion.measure_file(scorer, rating.file, display_height))
        opinions = [rating.opinion for rating in rated]
        found = opinion.fit([opinion.score_of(scorer, clips) for clips in files], opinions)
        tuned = None
        if fine_tune:
            progress.say("fine-tuning, six times: five on four fifths of the files, to see what it is worth")
            tuned = opinion.fit_tuned(scorer, files, opinions)
    if tuned:
        helps = tuned.fit.after.rmse < found.after.rmse
        click.echo(
            f"fine-tuned SROCC {tuned.fit.after.srocc:.3f} RMSE {tuned.fit.after.rmse:.1f}, the map alone SROCC "
            f"{found.after.srocc:.3f} RMSE {found.after.rmse:.1f} on held-out files: "
            + ("fine-tuned is kept" if helps else "the map alone is kept, more ratings may change that")
        )
        if helps:
            found, checkpoint = tuned.fit, with_network(checkpoint, tuned.network)
    save(opinion.with_map(checkpoint, found, len(rated)), out)
    click.echo(
        f"{out}: on {len(rated)} files, before SROCC {found.before.srocc:.3f} RMSE {found.before.rmse:.1f}, "
        f"after SROCC {found.after.srocc:.3f} RMSE {found.after.rmse:.1f} (each file by what the others taught)"
    )
