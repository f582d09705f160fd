"""Times on a stream's axis as people write them: a date for live, seconds or h:mm:ss of media."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class AxisTime:
    seconds: float
    is_date: bool
    """Of the wall clock; False: seconds on whichever axis the stream has."""
    text: str


class AxisTimeType(click.ParamType[AxisTime]):
    """A date without a zone is UTC."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> AxisTime:
        if isinstance(value, AxisTime):
            return value
        text = str(value).strip()
        if match := _CLOCK.fullmatch(text):
            hours, minutes, seconds = match.groups()
            return AxisTime(int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds), False, text)
        try:
            seconds = float(text)
        except ValueError:
            pass
        else:
            if -1e10 <= seconds <= 1e12:
                return AxisTime(seconds, False, text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is neither a date such as 2026-03-01T20:00Z nor seconds or h:mm:ss.")
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return AxisTime(moment.timestamp(), True, text)


AXIS_TIME = AxisTimeType()


def length_seconds(text: str) -> float:
    """Return a length such as ``90s``, ``30m``, ``1h`` or ``7d`` in seconds."""
    match = _LENGTH.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        raise click.BadParameter(f"{text!r} is not a length such as 90s, 30m, 1h or 7d.", param_hint="--last")
    return float(match[1]) * _SECONDS[match[2]]
