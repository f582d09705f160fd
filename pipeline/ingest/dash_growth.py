"""Whether a live manifest goes on as it promises: it grows in time, keeps its window, and its segments their length."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.ingest.dash_addressing import listed_span
from pipeline.ingest.dash_axis import Placed
from pipeline.ingest.dash_manifest import Manifest, Period
from pipeline.ingest.dash_rungs import Rung
from pipeline.ingest.told import Told
from schemas import ManifestFindingKind, Severity

# As HLS has it: nothing new for one and a half times what it takes.
STALE_FACTOR = 1.5
# Before that many readings without growth it may be us who did not look.
LEAST_READINGS = 2
SHRUNK_SHARE = 0.75
GREATEST_UPDATE_SECONDS = 60.0
APART_SECONDS = 0.1


@dataclass(slots=True)
class _Growth:
    end_seconds: float
    at: float
    readings: int = 0


class Growth:
    """Looks at every manifest that was read, also where it is the same as before."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._of: dict[str, _Growth] = {}
        self._widest_seconds = self._promised_seconds = 0.0
        self.last_at: float | None = None
        """When something new was listed last, on the local clock; None: all follows from the clock."""

    def start_anew(self) -> None:
        self._of.clear()
        self._widest_seconds = self._promised_seconds = 0.0

    def read(self, manifest: Manifest, rungs: Sequence[Rung], now: float) -> None:
        """`now`: on the local clock."""
        stale, longest = [], 0.0
        starts, ends = [], []
        for rung in rungs:
            spans = [
                (part.placed, span)
                for part in rung.parts
                if (span := listed_span(part.representation, part.placed.period))
            ]
            if not spans:
                self._of.pop(rung.rendition_id, None)
                continue
            placed, (_, end, length) = spans[-1]
            newest = placed.zero_seconds + end
            starts.append(spans[0][0].zero_seconds + spans[0][1][0])
            ends.append(newest)
            longest = max(longest, length)
            if self._is_stale(rung.rendition_id, newest, length, manifest, placed, now):
                stale.append(rung.rendition_id)
        self._tell_stale(stale, longest, len(ends))
        self.last_at = max((each.at for each in self._of.values()), default=None)
        if ends:
            self._window(max(ends) - min(starts), longest, manifest)

    def _is_stale(
        self, rendition_id: str, end: float, length: float, manifest: Manifest, placed: Placed, now: float
    ) -> bool:
        known = self._of.get(rendition_id)
        if known is None or abs(end - known.end_seconds) > 0.001:
            self._of[rendition_id] = _Growth(end, now)
            return False
        known.readings += 1
        duration = placed.period.duration_seconds
        is_full = duration is not None and end >= placed.zero_seconds + duration - length
        # What is renewed every ten seconds brings five segments of two at once.
        every = max(length, min(manifest.timing.update_seconds or 0.0, GREATEST_UPDATE_SECONDS))
        return (
            manifest.dynamic
            and not is_full
            and known.readings >= LEAST_READINGS
            and now - known.at > STALE_FACTOR * every
        )

    def _tell_stale(self, stale: list[str], length: float, count: int) -> None:
        kind = ManifestFindingKind.STALE
        every_rung = bool(stale) and len(stale) == count
        if every_rung and not self._told.lasts(None, kind):
            end = max(self._of[each].end_seconds for each in stale)
            self._told.begin(
                None,
                kind,
                f"the manifest lists nothing new for more than {STALE_FACTOR:g} segments of {length:.1f} s; "
                "check the packager",
                about=f"{end:.1f}",
                severity=Severity.CRITICAL,
            )
        elif not every_rung:
            self._told.over(None, kind)
        for rendition_id in self._of:
            if rendition_id in stale and not every_rung:
                self._told.begin(
                    rendition_id,
                    kind,
                    f"nothing new of {rendition_id} for more than {STALE_FACTOR:g} segments of {length:.1f} s, "
                    "while other rungs go on; check its encoder",
                    about=f"{self._of[rendition_id].end_seconds:.1f}",
                )
            elif rendition_id not in stale:
                self._told.over(rendition_id, kind)

    def _window(self, seconds: float, length: float, manifest: Manifest) -> None:
        kind = ManifestFindingKind.WINDOW_SHRINKING
        # A promise that is lowered takes from viewers what they had; what is listed beyond any promise is extra.
        self._promised_seconds = max(self._promised_seconds, manifest.timing.window_seconds or 0.0)
        widest = min(self._widest_seconds, self._promised_seconds or self._widest_seconds)
        if manifest.dynamic and seconds < SHRUNK_SHARE * widest - 2 * length:
            self._told.begin(
                None,
                kind,
                f"the manifest lists {seconds:.0f} s where it listed {widest:.0f} s before; "
                "viewers that are behind lose what they watch",
                about=f"{widest:.0f}",
            )
        else:
            self._told.over(None, kind)
            self._widest_seconds = max(self._widest_seconds, seconds)


def audio_video_apart(period: Period) -> float | None:
    """Return how far audio starts after video (before it, where negative) at the start of a period; None: not so that
    anyone hears it, or not to be seen."""
    firsts: dict[bool, float] = {}
    for representation in period.representations:
        is_audio = representation.mime_type.startswith("audio/")
        span = listed_span(representation, period)
        # Later on, a window begins with whatever segments are left.
        if span is None or abs(span[0]) >= span[2] or not (is_audio or representation.video):
            continue
        firsts.setdefault(is_audio, max(0.0, span[0]))
    if len(firsts) < 2:
        return None
    apart = firsts[True] - firsts[False]
    return apart if abs(apart) > APART_SECONDS else None
