"""Which representation of which period belongs to which rendition, from manifest to manifest."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.errors import BadPlaylist
from pipeline.ingest.access import shown
from pipeline.ingest.dash import MOST_RENDITIONS, going_on
from pipeline.ingest.dash_axis import Placed
from pipeline.ingest.dash_manifest import Representation
from pipeline.ingest.names import UniqueNames, rung_names
from pipeline.ingest.told import Told
from schemas import Ladder, ManifestFindingKind, Rendition, Severity


@dataclass(frozen=True, slots=True)
class Listed:
    """One representation in one period of the manifest as it is now."""

    placed: Placed
    representation: Representation


@dataclass(slots=True)
class Rung:
    """A rendition, with its representations in the periods that are listed now."""

    rendition_id: str
    latest: Representation
    parts: list[Listed] = field(default_factory=list)

    def rendition(self, uri: str) -> Rendition:
        return Rendition(rendition_id=self.rendition_id, rung=self.latest.rung, codecs=self.latest.codecs, uri=uri)


class Rungs:
    """The renditions of one presentation; they keep their ids for as long as it is followed."""

    def __init__(self, stream_id: str, uri: str, told: Told) -> None:
        self._stream_id, self._uri, self._told = stream_id, uri, told
        self._names = UniqueNames()
        self._all: list[Rung] = []
        self._assigned: dict[tuple[str, int, str, int], Rung] = {}
        self._ladder: Ladder | None = None
        self._before: set[str] = set()

    @property
    def listed(self) -> list[Rung]:
        return [rung for rung in self._all if rung.parts]

    def follow(self, periods: Sequence[Placed], newest: Placed, *, is_program: bool) -> Ladder:
        """Take the representations of a manifest; the ladder is the same object where nothing changed.

        `newest`: the period that is being published. `is_program`: whether it is what the one before it was, so that
        its rungs should be the same.
        """
        for rung in self._all:
            rung.parts.clear()
        assigned: dict[tuple[str, int, str, int], Rung] = {}
        for placed in periods:
            self._follow_period(placed, assigned)
        self._assigned = assigned
        ladder = Ladder(stream_id=self._stream_id, renditions=tuple(rung.rendition(self._uri) for rung in self.listed))
        self._compare(newest, is_program)
        if ladder != self._ladder:
            self._ladder = ladder
        assert self._ladder is not None
        return self._ladder

    def _follow_period(self, placed: Placed, assigned: dict[tuple[str, int, str, int], Rung]) -> None:
        representations = [each for each in placed.period.representations if each.video]
        free = list(self._all)
        counts: dict[str, int] = {}
        open_keys: list[tuple[tuple[str, int, str, int], Representation]] = []
        for representation in representations:
            name = representation.representation_id
            counts[name] = counts.get(name, 0) + 1
            key = (placed.key, placed.discontinuity, name, counts[name])
            known = self._assigned.get(key)
            if known is not None and known in free:
                free.remove(known)
                assigned[key] = known
                self._add(known, placed, representation)
            else:
                open_keys.append((key, representation))
        labels = rung_names([representation.rung for _, representation in open_keys])
        for (key, representation), label in zip(open_keys, labels, strict=True):
            place = going_on(representation, [rung.latest for rung in free])
            rung = self._new(representation, label) if place is None else free.pop(place)
            assigned[key] = rung
            self._add(rung, placed, representation)

    def _add(self, rung: Rung, placed: Placed, representation: Representation) -> None:
        rung.latest = representation
        rung.parts.append(Listed(placed, representation))

    def _new(self, representation: Representation, label: str) -> Rung:
        if len(self._all) >= MOST_RENDITIONS:
            # Of ads that were long ago.
            self._all = [rung for rung in self._all if rung.parts]
        if len(self._all) >= MOST_RENDITIONS:
            raise BadPlaylist(f"{shown(self._uri)}: more than {MOST_RENDITIONS} renditions; split the manifest")
        rung = Rung(self._names.claim(representation.representation_id or label), representation)
        self._all.append(rung)
        return rung

    def _compare(self, newest: Placed, is_program: bool) -> None:
        """Tell which rungs left and which came. Ads bring ladders of their own: not told."""
        now = {rung.rendition_id for rung in self.listed if any(part.placed.key == newest.key for part in rung.parts)}
        if not is_program or not now:
            return
        for gone in sorted(self._before - now):
            self._told.begin(
                gone,
                ManifestFindingKind.RUNG_GONE,
                f"{gone} is not in the manifest any more; check the encoder of that rung",
                about=f"{newest.discontinuity}",
            )
        for came in sorted(now):
            if self._told.lasts(came, ManifestFindingKind.RUNG_GONE):
                self._told.over(came, ManifestFindingKind.RUNG_GONE)
            elif self._before and came not in self._before:
                self._told.once(
                    came,
                    ManifestFindingKind.RUNG_NEW,
                    f"{came} is in the manifest now, and was not before",
                    about=f"{newest.discontinuity}",
                    severity=Severity.INFO,
                )
        self._before = now
