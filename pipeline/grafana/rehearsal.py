"""What would go to Grafana, told instead of sent: nothing needs to be there, and nothing is kept."""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from pipeline.grafana.names import Json


class ToldStore:
    """Implements `pipeline.grafana.annotations.Store`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._numbers = count(1)

    def found(self, tag: str) -> list[int]:
        del tag
        return []

    def send(self, body: Json) -> int:
        number = next(self._numbers)
        self._say(f"POST /api/annotations {json.dumps(body, ensure_ascii=False)}")
        return number

    def end(self, number: int, end_ms: int) -> bool:
        self._say(f"PATCH /api/annotations/{number} {json.dumps({'timeEnd': end_ms})}")
        return True

    def remove(self, number: int) -> None:
        self._say(f"DELETE /api/annotations/{number}")


class Memory:
    """Implements `pipeline.grafana.annotations.Sent`."""

    def __init__(self) -> None:
        self._texts: dict[str, dict[str, str]] = {}

    def known(self, stream_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        return {each: dict(self._texts.get(each, {})) for each in stream_ids}

    def note(self, stream_id: str, texts: Mapping[str, str]) -> None:
        self._texts.setdefault(stream_id, {}).update(texts)

    def forget(self, stream_id: str, keys: Sequence[str]) -> None:
        for key in keys:
            self._texts.get(stream_id, {}).pop(key, None)

    def lead(self, owner: str, seconds: float) -> bool:
        """Say that this process does what there is to do: nobody else hears of it."""
        del owner, seconds
        return True

    def resign(self, owner: str) -> None:
        del owner
