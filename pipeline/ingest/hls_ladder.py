"""Which renditions a live HLS presentation has: its master playlist, read again now and then."""

import math
from collections.abc import Callable

from pipeline.errors import BadPlaylist, NotAllowed, NotFound, Rejected, Transient
from pipeline.ingest.access import Scope, shown
from pipeline.ingest.fetch import Fetched, Fetcher
from pipeline.ingest.hls import MOST_RENDITIONS
from pipeline.ingest.hls_axis import Axis
from pipeline.ingest.hls_follower import Eras
from pipeline.ingest.hls_playlist import Master, Variant, is_master, parse
from pipeline.ingest.hls_rung import Rung
from pipeline.ingest.names import UniqueNames, playlist_name, rung_names
from pipeline.ingest.source import one_of
from pipeline.ingest.stream import Failure, Problem
from pipeline.ingest.told import Told
from pipeline.settings import FetchLimits
from schemas import ManifestFindingKind, Rendition, Resource, Severity
from schemas import Rung as DeclaredRung

MASTER_SECONDS, FAILED_MASTER_SECONDS = 60.0, 10.0

FAILURES = (ManifestFindingKind.FAILING_ORIGIN, ManifestFindingKind.BAD_PLAYLIST, ManifestFindingKind.RUNG_GONE)


class HlsLadder:
    """The rungs that are followed, by what is declared of them: addresses change with every session."""

    def __init__(
        self,
        uri: str,
        scope: Scope,
        fetcher: Fetcher,
        limits: FetchLimits,
        told: Told,
        axis: Axis,
        clock: Callable[[], float],
        *,
        low_latency: bool,
        follow_parts: bool,
    ) -> None:
        self.rungs: dict[object, Rung] = {}
        self.notes: tuple[str, ...] = ()
        self.variables: dict[str, str] = {}
        self.due_at = math.inf
        self.changes = 0
        """Grows when rungs come or go."""
        self.eras = Eras()
        self._uri, self._scope = uri, scope
        self._fetcher, self._limits = fetcher, limits
        self._told, self._axis, self._clock = told, axis, clock
        self._low_latency, self._follow_parts = low_latency, follow_parts
        self._gone: dict[object, Rung] = {}
        self._names = UniqueNames()
        self._master: Fetched | None = None

    def read(self) -> None:
        """Read it for the first time. Raises Rejected, Transient."""
        found = self._fetcher.fetch(Resource(uri=self._uri), max_bytes=self._limits.max_playlist_bytes)
        if not is_master(found.data):
            # Refused at once where it is no playlist at all.
            parse(found.data, found.uri, max_segments=self._limits.max_segments, may_be_empty=True)
            self._add("", Variant((self._uri,), DeclaredRung(), None), (self._uri,), playlist_name(found.uri))
            return
        master = self._parsed(found)
        self.variables, self.notes = dict(master.variables), master.notes
        problems: list[Problem] = []
        for key, variant, uris, name in self._variants(master, found.uri, problems):
            self._add(key, variant, uris, name)
        if not self.rungs:
            raise one_of(tuple(problems), "renditions")
        for origin, error in problems:
            self._told.begin(None, ManifestFindingKind.BAD_PLAYLIST, f"{error}", key=origin[:200])
        self._master, self.due_at = found, self._clock() + MASTER_SECONDS

    def read_again(self) -> None:
        """Take in what has changed; what fails is a finding."""
        if self._master is None:
            self.due_at = math.inf
            return
        self.due_at = self._clock() + MASTER_SECONDS
        try:
            found = self._fetcher.fetch_if_changed(Resource(uri=self._uri), self._master)
            master = self._parsed(found) if found is not None else None
        except (Rejected, Transient) as exc:
            self._told.begin(None, kind_of(exc, gone=ManifestFindingKind.FAILING_ORIGIN), f"{exc}", key="master")
            self.due_at = self._clock() + FAILED_MASTER_SECONDS
            return
        for kind in FAILURES:
            self._told.over(None, kind, key="master")
        if found is None or master is None:
            return
        self._master, self.variables = found, dict(master.variables)
        variants = self._variants(master, found.uri, [])
        listed = {key for key, *_ in variants}
        for key, variant, uris, name in variants:
            if key in self.rungs:
                self.rungs[key].offered = uris
            elif key in self._gone:
                self._come_back(key, uris)
            elif (before := self._at_one_of(uris, listed)) is not None:
                self._declare(before, key, variant)
            else:
                self._told.once(
                    self._add(key, variant, uris, name).rendition_id,
                    ManifestFindingKind.RUNG_NEW,
                    f"{shown(self._uri)}: lists a rendition that was not there before",
                    about="new",
                    severity=Severity.INFO,
                )
        for key in [key for key in self.rungs if key not in listed]:
            self._go(key)

    def _variants(
        self, master: Master, base: str, problems: list[Problem]
    ) -> list[tuple[object, Variant, tuple[str, ...], str]]:
        """Return (key, variant, addresses, name) of all that may be read."""
        labels = rung_names([variant.rung for variant in master.variants])
        found: list[tuple[object, Variant, tuple[str, ...], str]] = []
        for variant, label in zip(master.variants, labels, strict=True):
            uris: list[str] = []
            for reference in variant.uris:
                try:
                    uris.append(self._fetcher.access.follow(reference, base, self._scope))
                except (NotAllowed, NotFound) as exc:
                    problems.append((shown(reference), exc))
            if uris:
                name = label if label != "rendition" else playlist_name(uris[0])
                found.append((_key(variant), variant, tuple(dict.fromkeys(uris)), name))
        return found

    def _parsed(self, found: Fetched) -> Master:
        master = parse(found.data, found.uri, max_segments=self._limits.max_segments)
        if not isinstance(master, Master):
            raise BadPlaylist(f"{shown(found.uri)}: a media playlist where the master was; correct the origin")
        if len(master.variants) > MOST_RENDITIONS:
            raise BadPlaylist(
                f"{shown(found.uri)}: {len(master.variants)} renditions, more than {MOST_RENDITIONS}; "
                "split the playlist"
            )
        return master

    def _add(self, key: object, variant: Variant, uris: tuple[str, ...], name: str) -> Rung:
        rendition_id = self._names.claim(name)
        rung = self.rungs[key] = Rung(
            Rendition(rendition_id=rendition_id, rung=variant.rung, codecs=variant.codecs, uri=uris[0]),
            variant,
            uris,
            self._fetcher,
            self._limits,
            self._told,
            self.eras,
            self._clock,
            low_latency=self._low_latency,
            follow_parts=self._follow_parts and not self.rungs,
        )
        self.changes += 1
        return rung

    def _at_one_of(self, uris: tuple[str, ...], listed: set[object]) -> object | None:
        """Return the key of a rung that is read from there, and not listed as what it was; None: there is none."""
        return next((key for key, rung in self.rungs.items() if key not in listed and {*rung.uris} & {*uris}), None)

    def _declare(self, before: object, key: object, variant: Variant) -> None:
        """Take over what is declared of a rung now: the same playlist is the same rung."""
        rung = self.rungs[key] = self.rungs.pop(before)
        rung.variant = variant
        rung.rendition = rung.rendition.model_copy(update={"rung": variant.rung, "codecs": variant.codecs})
        self.changes += 1

    def _go(self, key: object) -> None:
        rung = self._gone[key] = self.rungs.pop(key)
        self.changes += 1
        self._told.over_all(rung.rendition_id)
        self._axis.leave(rung.rendition_id)
        self._told.begin(
            rung.rendition_id,
            ManifestFindingKind.RUNG_GONE,
            f"{shown(self._uri)}: no longer lists this rendition; players lose it with their next start",
            key="master",
            about=f"master-{rung.follower.last_number or 0}",
        )

    def _come_back(self, key: object, uris: tuple[str, ...]) -> None:
        rung = self.rungs[key] = self._gone.pop(key)
        rung.move_to(uris)
        self.changes += 1
        self._told.over(rung.rendition_id, ManifestFindingKind.RUNG_GONE, key="master")


def kind_of(error: Failure, *, gone: ManifestFindingKind) -> ManifestFindingKind:
    """Return what a playlist that cannot be had is told as; `gone`: where nothing is there."""
    if isinstance(error, NotFound):
        return gone
    if isinstance(error, Transient | NotAllowed):
        return ManifestFindingKind.FAILING_ORIGIN
    return ManifestFindingKind.BAD_PLAYLIST


def _key(variant: Variant) -> object:
    if variant.peak_bps is None:
        return variant.uris[0]
    return variant.rung.model_dump_json(), variant.codecs, variant.peak_bps
