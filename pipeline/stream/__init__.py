"""Messages in, messages out: the only package that knows Kafka."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.stream.handling import Bug
    from pipeline.stream.local import LocalBus
    from pipeline.stream.observer import Observer, Unobserved
    from pipeline.stream.protocol import (
        Answer,
        Consumer,
        Done,
        Headers,
        Message,
        Partition,
        Processor,
        Producer,
        Publication,
        Rebalance,
    )
    from pipeline.stream.runner import Runner

__all__ = [
    "Answer",
    "Bug",
    "Consumer",
    "Done",
    "Headers",
    "LocalBus",
    "Message",
    "Observer",
    "Partition",
    "Processor",
    "Producer",
    "Publication",
    "Rebalance",
    "Runner",
    "Unobserved",
]

_HOMES = {
    "Bug": "handling",
    "LocalBus": "local",
    "Observer": "observer",
    "Runner": "runner",
    "Unobserved": "observer",
}


def __getattr__(name: str) -> Any:
    """Load a part when it is first needed: a process that uses one bus does not import the other."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'protocol')}"), name)
