"""What is told of a presentation: every trouble once when it begins, and once when it is over."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from schemas import ManifestFinding, ManifestFindingKind, Severity

# Single events that are remembered, so that a listing that repeats them tells them once.
MOST_REMEMBERED = 4096
LONGEST_TEXT = 2048
LONGEST_ID = 512

_Place = tuple[str | None, ManifestFindingKind, str]
"""Rendition, kind, key."""


class Told:
    """Collects the findings of one stream until a look hands them on.

    What begins for every rendition in one look is one finding, of the presentation, and over when it is for all. Where
    the presentation as a whole has the same kind of trouble already, they are one.
    """

    def __init__(self, stream_id: str, clock: Callable[[], float]) -> None:
        """`clock`: seconds since the epoch."""
        self._stream_id = stream_id
        self._clock = clock
        self._open: dict[_Place, ManifestFinding] = {}
        self._begun: list[_Place] = []
        self._single: OrderedDict[str, None] = OrderedDict()
        self._new: list[ManifestFinding] = []

    def begin(
        self,
        rendition_id: str | None,
        kind: ManifestFindingKind,
        text: str,
        *,
        key: str = "",
        about: str = "",
        severity: Severity = Severity.WARNING,
        number: int | None = None,
        cdn: str | None = None,
    ) -> None:
        """Tell a trouble that lasts; told again only after `over` with the same rendition, kind and `key`.

        `about`: what tells one time from another, for example the last good segment's number; part of the id.
        """
        place = (rendition_id, kind, key)
        if place not in self._open:
            self._open[place] = self._finding(rendition_id, kind, text, about or key, severity, number, cdn)
            self._begun.append(place)

    def over(self, rendition_id: str | None, kind: ManifestFindingKind, *, key: str = "") -> None:
        """Tell that a trouble is over, where it was told."""
        place = (rendition_id, kind, key)
        found = self._open.pop(place, None)
        if found is None:
            return
        if place in self._begun:
            # It was never told: a trouble that is over before the look is.
            self._begun.remove(place)
        elif all(other.finding_id != found.finding_id for other in self._open.values()):
            self._new.append(found.model_copy(update={"over_at": self._now()}))

    def over_all(self, rendition_id: str) -> None:
        """Tell that every trouble of a rendition is over: it is not looked at any more."""
        for place in [place for place in self._open if place[0] == rendition_id]:
            self.over(rendition_id, place[1], key=place[2])

    def lasts(self, rendition_id: str | None, kind: ManifestFindingKind, *, key: str = "") -> bool:
        return (rendition_id, kind, key) in self._open

    def once(
        self,
        rendition_id: str | None,
        kind: ManifestFindingKind,
        text: str,
        *,
        about: str,
        severity: Severity = Severity.WARNING,
        number: int | None = None,
        cdn: str | None = None,
    ) -> None:
        """Tell a single event; a repeat of the same `about` is not told again."""
        found = self._finding(rendition_id, kind, text, about, severity, number, cdn)
        if found.finding_id in self._single:
            return
        self._single[found.finding_id] = None
        while len(self._single) > MOST_REMEMBERED:
            self._single.popitem(last=False)
        self._new.append(found)

    def take(self, rendition_ids: Collection[str] = ()) -> tuple[ManifestFinding, ...]:
        """Return what began or ended since the last call. `rendition_ids`: all that there are."""
        self._join(frozenset(rendition_ids))
        known = {self._open[place].finding_id: self._open[place] for place in self._begun}
        found = (*self._new, *known.values())
        self._new, self._begun = [], []
        return found

    def _join(self, rendition_ids: frozenset[str]) -> None:
        if len(rendition_ids) < 2:
            return
        for _, kind, key in dict.fromkeys((None, kind, key) for _, kind, key in self._begun):
            places = [place for place in self._begun if place[1:] == (kind, key)]
            if {place[0] for place in places} != rendition_ids:
                continue
            first = self._open[places[0]]
            own = f"{self._stream_id}/{first.rendition_id}/"
            whole = next((place for place in self._open if place[:2] == (None, kind)), None)
            if whole is not None:
                self._open |= dict.fromkeys(places, self._open[whole])
                self._begun = [place for place in self._begun if place not in places]
                continue
            joint = first.model_copy(
                update={
                    "finding_id": f"{self._stream_id}/-/{first.finding_id.removeprefix(own)}"[:LONGEST_ID],
                    "rendition_id": None,
                    "text": f"every rendition: {first.text}"[:LONGEST_TEXT],
                }
            )
            self._open |= dict.fromkeys(places, joint)

    def _finding(
        self,
        rendition_id: str | None,
        kind: ManifestFindingKind,
        text: str,
        about: str,
        severity: Severity,
        number: int | None,
        cdn: str | None,
    ) -> ManifestFinding:
        parts = (self._stream_id, rendition_id or "-", kind.value, about)
        return ManifestFinding(
            finding_id="/".join(part for part in parts if part)[:LONGEST_ID],
            stream_id=self._stream_id,
            rendition_id=rendition_id,
            cdn=cdn,
            kind=kind,
            severity=severity,
            text=text[:LONGEST_TEXT],
            found_at=self._now(),
            segment_number=number,
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
