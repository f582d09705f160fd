"""Where the periods of a live manifest lie on the time axis; what was placed once stays, whatever the manifest says."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.ingest.dash_manifest import Manifest, Period
from pipeline.ingest.told import Told
from schemas import ManifestFindingKind

# Packagers that compute their start anew for every manifest round it differently.
JUMP_SECONDS = 0.5
# A manifest of before, from a cache that lags; more than that is a packager that started anew.
LAG_SECONDS = 60.0
PERIODS_KEPT = 512


@dataclass(frozen=True, slots=True)
class Placed:
    """A period with its place."""

    key: str
    """The same from manifest to manifest."""
    period: Period
    zero_seconds: float
    """Its start on the time axis."""
    available_seconds: float | None
    """Its start on the clock by which its segments become available; None: there is no such clock."""

    @property
    def discontinuity(self) -> int:
        """The same over restarts of ours, and another for a period of the same id after a restart of the packager."""
        return max(0, round(self.zero_seconds))


class Axis:
    """The places of one presentation's periods."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._zeros: dict[str, float] = {}
        self._shift = 0.0
        self._ast: float | None = None

    def place(
        self, manifest: Manifest, back_seconds: Mapping[str, float], ends: Mapping[str, float], now: float
    ) -> tuple[tuple[Placed, ...], bool]:
        """Return the periods with their places, and whether the packager started anew.

        `back_seconds`: period key -> how far before what was known it ends now, where it does; `ends`: period key ->
        its newest end, in seconds of the period, where it is listed.
        """
        keys = keys_of(manifest)
        ast = manifest.availability_start_seconds
        known = [(key, period) for key, period in keys if key in self._zeros]
        if ast is None:
            zeros = {key: self._zeros.get(key, period.start_seconds) for key, period in keys}
            self._keep(zeros)
            return tuple(Placed(key, period, zeros[key], None) for key, period in keys), False
        shifts = {key: ast + period.start_seconds - self._zeros[key] for key, period in known}
        going_on = [key for key, _ in known if not _starts_anew(back_seconds.get(key), shifts[key] - self._shift)]
        moved = self._ast is not None and abs(ast - self._ast) > JUMP_SECONDS
        anew = bool(self._zeros) and not going_on and bool(known or moved)
        self._ast = ast
        if anew:
            self._start_anew(bool(known), ast)
        elif going_on:
            self._follow_shift(shifts[going_on[-1]], ast)
        for key, period in keys:
            if key not in self._zeros:
                self._zeros[key] = self._zero(ast + period.start_seconds - self._shift, ends.get(key), now, anew)
        self._keep({key: self._zeros[key] for key, _ in keys})
        return tuple(Placed(key, period, self._zeros[key], ast + period.start_seconds) for key, period in keys), anew

    def _follow_shift(self, shift: float, ast: float) -> None:
        if abs(shift - self._shift) <= JUMP_SECONDS:
            return
        kind = ManifestFindingKind.TIME_JUMP
        self._told.over(None, kind)
        if abs(shift) > JUMP_SECONDS:
            self._told.begin(
                None,
                kind,
                f"availabilityStartTime jumped by {shift - self._shift:+.1f} s while the content went on; "
                "segments keep the time axis from before; packagers must not change it",
                about=f"{ast:.0f}/{shift:.0f}",
            )
        self._shift = shift

    def _start_anew(self, went_back: bool, ast: float) -> None:
        why = "it went back" if went_back else "its start moved, and all its periods are others"
        self._told.once(
            None,
            ManifestFindingKind.SEQUENCE_WENT_BACK,
            f"the manifest started anew ({why}): followed from here on as new segments",
            about=f"{ast:.0f}/{len(self._zeros)}",
        )
        self._told.over(None, ManifestFindingKind.TIME_JUMP)
        self._zeros.clear()
        self._shift = 0.0

    def _zero(self, stated: float, end: float | None, now: float, anew: bool) -> float:
        if not anew or end is None or now - (stated + end) < LAG_SECONDS:
            return stated
        # Started anew without saying so: at its old place it would be taken for what was there.
        return float(round(now - end))

    def _keep(self, zeros: Mapping[str, float]) -> None:
        # Oldest first: a period that is not listed any more may come back with a manifest from another cache.
        for key, zero in zeros.items():
            self._zeros.pop(key, None)
            self._zeros[key] = zero
        while len(self._zeros) > PERIODS_KEPT:
            del self._zeros[next(iter(self._zeros))]


def keys_of(manifest: Manifest) -> list[tuple[str, Period]]:
    """Return the periods with what identifies them: their id, or their start where it has none of its own."""
    counts = Counter(period.period_id for period in manifest.periods)
    return [
        (
            period.period_id if period.period_id and counts[period.period_id] == 1 else f"@{period.start_seconds:.3f}",
            period,
        )
        for period in manifest.periods
    ]


def _starts_anew(back_seconds: float | None, shift: float) -> bool:
    """Whether a period of a known id is another one: it went back as its start moved, or by more than a cache lags."""
    return back_seconds is not None and (back_seconds > LAG_SECONDS or shift > JUMP_SECONDS)
