"""`rungwatch doctor`: what is here, what is missing, and how to get it."""

import importlib.util
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import click

_DECODERS = {"H.264": "h264", "HEVC": "hevc", "AV1": "libdav1d", "VP9": "vp9", "MPEG-2": "mpeg2video", "PNG": "png"}
_ENCODERS = {"H.264": "libx264", "HEVC": "libx265", "AV1": "libsvtav1", "VP9": "libvpx-vp9", "MPEG-2": "mpeg2video"}
_PATIENCE_SECONDS = 2.0
_EXTRAS = {
    "demo": (("skimage",), "`rungwatch demo` without a video of your own"),
    "ads": (("threefive",), "ads that playlists mark with SCTE-35 messages alone"),
    "objects": (("fsspec",), "segments in S3, GCS and Azure"),
    "grafana": (("grafana_client",), "`rungwatch grafana push` and `annotate`"),
    "train": (("cv2", "imageio_ffmpeg", "lightgbm", "plotly", "scipy"), "`rungwatch train`"),
}


@click.command()
def doctor() -> None:
    """Say what is installed, which device, codecs and models can be used, what is missing and how to get it.

    Exit code 0 where scoring can work here, 1 where it cannot.
    """
    healthy = True
    _title("Program")
    _good("rungwatch", version("rungwatch"))
    _good("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in ("torch", "timm", "av", "numpy"):
        try:
            _good(package, version(package))
        except PackageNotFoundError:
            healthy = _bad(package, "missing: reinstall with pip install --force-reinstall rungwatch")
    _title("Devices")
    _devices()
    _title("Decoders (what can be scored)")
    healthy &= _codecs(_DECODERS, "r", "this build of PyAV lacks it: pip install --force-reinstall av")
    _title("Encoders (what `rungwatch demo` and `train synthesize` need)")
    _codecs(_ENCODERS, "w", "scoring works without it")
    _title("Models")
    healthy &= _models()
    _title("Services (only `worker`, `ingest` and `series` need them; `watch` and `score` do not)")
    _services()
    _title("Extras")
    for extra, (modules, purpose) in _EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        if missing:
            _note(extra, f"not installed ({', '.join(missing)}); for {purpose}: pip install 'rungwatch[{extra}]'")
        else:
            _good(extra, purpose)
    if healthy:
        click.echo("\nScoring works here. Next: rungwatch demo")
    else:
        click.echo("\nScoring cannot work here until what is marked 'no' is mended.", err=True)
    sys.exit(0 if healthy else 1)


def _devices() -> None:
    import torch  # noqa: PLC0415 - heavy

    threads = f"{torch.get_num_threads()} threads"
    fast = "bf16 matrix unit (AMX)" if torch.cpu._is_amx_tile_supported() else "no bf16 matrix unit: slower"
    _good("cpu", f"{threads}, {fast}")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            _good(f"cuda:{index}", torch.cuda.get_device_name(index))
    else:
        _note("cuda", "none that torch can use; the CPU serves, --device cpu is the default")


def _services() -> None:
    from pipeline.errors import Transient, UsageError  # noqa: PLC0415
    from pipeline.series import connect  # noqa: PLC0415
    from pipeline.settings import load  # noqa: PLC0415
    from pipeline.stream.kafka import check  # noqa: PLC0415
    from pipeline.stream.topics import plans  # noqa: PLC0415

    settings = load()
    kafka = settings.kafka.model_copy(update={"request_seconds": _PATIENCE_SECONDS})
    try:
        differences = check(kafka, plans(kafka.prefix, kafka.partitions))
        if differences:
            _note("kafka", f"{kafka.bootstrap}; {differences[0]}")
        else:
            _good("kafka", f"{kafka.bootstrap}, topics as planned")
    except (Transient, UsageError) as error:
        _note("kafka", str(error))
    link = connect(settings.redis.model_copy(update={"timeout_seconds": _PATIENCE_SECONDS}))
    try:
        _good("redis", f"{link.version()} at {link.where}")
    except (Transient, UsageError) as error:
        _note("redis", str(error))
    finally:
        link.close()


def _codecs(names: dict[str, str], mode: Literal["r", "w"], hint: str) -> bool:
    from pipeline.decode import codec_is_there  # noqa: PLC0415

    healthy = True
    for name, codec in names.items():
        if codec_is_there(codec, mode):
            _good(name, codec)
        else:
            healthy = _bad(name, f"{codec}: {hint}")
    return healthy


def _models() -> bool:
    from pipeline.errors import UsageError  # noqa: PLC0415
    from workers.models import ARCHITECTURES, WEIGHTS  # noqa: PLC0415
    from workers.models.checkpoint import load  # noqa: PLC0415

    healthy = True
    for name, path in WEIGHTS.items():
        try:
            checkpoint = load(path)
        except UsageError as error:
            healthy = _bad(name, str(error))
            continue
        _good(name, f"{checkpoint.name} @ {checkpoint.weights_hash}")
        click.echo(f"         {'':<12} measured: {checkpoint.accuracy}")
    for name in ARCHITECTURES:
        if name not in WEIGHTS:
            _note(name, "a size of the network without trained weights: for training only")
    return healthy


def _title(text: str) -> None:
    click.echo(f"\n{text}" if text != "Program" else text)


def _good(name: str, text: str) -> None:
    click.echo(f"  {click.style('ok  ', fg='green')} {name:<12} {text}")


def _note(name: str, text: str) -> None:
    click.echo(f"  {click.style('-   ', fg='yellow')} {name:<12} {text}")


def _bad(name: str, text: str) -> bool:
    click.echo(f"  {click.style('no  ', fg='red')} {name:<12} {text}")
    return False
