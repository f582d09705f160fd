"""Which model scores, and how: what the command line says of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelChoice:
    name: str = "nano"
    """Of a model that comes with the program, or the path of a checkpoint."""
    device: str = "cpu"
    hide_stream: bool = False
    """True: judge by pixels and sizes only."""
    allow_untrained: bool = False
