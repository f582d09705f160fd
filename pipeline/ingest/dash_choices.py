"""Where a DASH representation can be had: its chain of base URLs, the choices between CDNs, and how early."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

MOST_CHOICES = 8


@dataclass(frozen=True, slots=True)
class BaseChoice:
    """One way to reach the segments."""

    urls: tuple[str, ...]
    """To be joined one after the other; the first is the manifest's own address."""
    location: str | None
    """``serviceLocation``: what the manifest calls this CDN."""


def choices(manifest_uri: str, levels: Sequence[Element]) -> tuple[BaseChoice, ...]:
    """Return the ways to reach a representation, the preferred one first. `levels`: outermost first."""
    found = [level.findall("BaseURL") for level in levels]
    count = min(MOST_CHOICES, max([1, *map(len, found)]))
    made = []
    for index in range(count):
        # A level with one base URL serves all choices of the others.
        taken = [bases[min(index, len(bases) - 1)] for bases in found if bases]
        location = next((base.get("serviceLocation") for base in reversed(taken) if base.get("serviceLocation")), None)
        made.append(BaseChoice((manifest_uri, *((base.text or "").strip() for base in taken)), location))
    return tuple(made)


def early_seconds(levels: Sequence[Element], addressing: Sequence[Element]) -> float:
    """Return how long before their end segments can be read, whole; infinite: as soon as they are listed."""
    stated = [level.find("BaseURL") for level in levels]
    total = 0.0
    for element in [base for base in stated if base is not None] + list(addressing):
        # In chunks, while it is being made: that is not yet the whole segment.
        if (element.get("availabilityTimeComplete") or "").strip() == "false":
            return 0.0
        total += _offset(element.get("availabilityTimeOffset"))
    return total


def _offset(text: str | None) -> float:
    text = (text or "").strip()
    if text.upper() == "INF":
        return math.inf
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) else 0.0
