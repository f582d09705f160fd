"""What differs between what is wanted and what a Grafana has, path by path."""

import json
from collections.abc import Iterable
from typing import Any

MOST_SHOWN = 60


def differences(wanted: Any, there: Any, path: str = "", *, ignored: Iterable[str] = ()) -> list[str]:
    """Return sentences such as ``panels[Age].type: "stat" -> "gauge"``; none: all that is wanted is there.

    What is there besides is left alone: Grafana adds fields of its own. It also leaves out what is empty.

    Args:
        ignored: Paths that do not count.
    """
    if path in ignored:
        return []
    if isinstance(wanted, dict) and isinstance(there, dict):
        return [
            each
            for key, value in wanted.items()
            for each in differences(value, there.get(key), f"{path}.{key}" if path else str(key), ignored=ignored)
        ]
    if isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        return [
            each
            for index, (value, other) in enumerate(zip(wanted, there, strict=True))
            for each in differences(value, other, f"{path}[{_name(value, index)}]", ignored=ignored)
        ]
    if wanted == there or (_is_empty(wanted) and _is_empty(there)):
        return []
    if isinstance(wanted, list) and isinstance(there, list):
        return [f"{path}: {len(there)} entries -> {len(wanted)}"]
    return [f"{path}: {_shown(there)} -> {_shown(wanted)}"]


def _is_empty(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})


def _name(value: Any, index: int) -> str:
    """Return what an entry is called, or its place where it has no name."""
    named = isinstance(value, dict) and (value.get("title") or value.get("name"))
    return str(named or index)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"
