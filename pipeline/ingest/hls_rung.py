"""One rendition of a live HLS presentation: when and where its playlist is read, and how."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from pipeline.errors import BadPlaylist, Rejected, Transient
from pipeline.ingest.access import shown
from pipeline.ingest.fetch import Fetched, Fetcher
from pipeline.ingest.hls_delta import merged
from pipeline.ingest.hls_follower import Eras, Follower, Step
from pipeline.ingest.hls_playlist import Master, Media, Variant, parse
from pipeline.ingest.hls_shortcut import shortened
from pipeline.ingest.hls_tags import number
from pipeline.ingest.names import host_of
from pipeline.ingest.told import Told
from pipeline.settings import FetchLimits
from schemas import ManifestFindingKind, Rendition, Resource

# Between these lies every pause, whatever a playlist declares.
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 30.0
FIRST_PAUSE_SECONDS = 2.0
# A reload that the server holds back is asked for shortly before the segment is due: it occupies a thread.
HELD_SECONDS = 0.5
# After that a host that failed is tried again.
RETURN_SECONDS = 60.0
# One that fails is asked for at the usual pace for as long as its window holds what is missed, in reloads at most.
UNDAUNTED_RELOADS = 10
# A reload a target duration after the last change, as RFC 8216bis 6.3.4 has it, is always late by the same share of a
# segment, up to all of it. So each is asked for a little earlier than the one before was, until one comes too early:
# from then on it is known when the next one is due. That is one reload more in about five.
EARLIER_SHARE, EARLY_SHARE, EARLY_RELOADS = 0.05, 0.25, 2
# A playlist that stands still is asked for less often: after so many reloads without anything new.
PATIENT_RELOADS = 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a reload brought."""

    media: Media
    uri: str
    step: Step
    switched: bool
    """It was read from another host than before."""


class Rung:
    """One rendition that is followed."""

    def __init__(
        self,
        rendition: Rendition,
        variant: Variant,
        uris: tuple[str, ...],
        fetcher: Fetcher,
        limits: FetchLimits,
        told: Told,
        eras: Eras,
        clock: Callable[[], float],
        *,
        low_latency: bool,
        follow_parts: bool,
    ) -> None:
        """`uris`: where its playlist is, the first by choice."""
        self.rendition = rendition
        self.variant = variant
        self.uris = uris
        self.offered = uris
        """As the master names them now: taken when the old ones fail."""
        self.follower = Follower(rendition.rendition_id, told, eras)
        self.due_at = -math.inf
        self.ended = False
        self.loads = 0
        self.failures = 0
        self.unchanged = 0
        self.moved_at = -math.inf
        self.seen_at = -math.inf
        """When it was loaded last."""
        self.slow = 0
        self.seconds = 0.0
        """The last reload took so long; 0: it was held back by the server on purpose."""
        self._fetcher = fetcher
        self._limits = limits
        self._told = told
        self._clock = clock
        self._active = 0
        self._back_at = -math.inf
        self._low_latency = low_latency
        self._follow_parts = follow_parts
        self._known: tuple[str, Fetched] | None = None
        self._whole: bytes | None = None
        """The last playlist as it was sent, where it was a whole one."""
        self._media: Media | None = None
        self._loaded_at = -math.inf

    @property
    def rendition_id(self) -> str:
        return self.rendition.rendition_id

    @property
    def host(self) -> str:
        return host_of(self.uris[self._active])

    @property
    def has_other_hosts(self) -> bool:
        return len({host_of(uri) for uri in self.uris}) > 1

    def move_to(self, uris: tuple[str, ...]) -> None:
        """Read it from elsewhere, at once."""
        self.uris = self.offered = uris
        self._active, self._known = 0, None
        self.due_at = -math.inf
        self.follower.pause()

    def load(self, variables: dict[str, str]) -> Loaded | None:
        """Return what is new; None: nothing. Raises Rejected, Transient where no address gives a playlist."""
        now = self._clock()
        try:
            loaded = self._load(variables, now)
        except (Rejected, Transient):
            self.failures += 1
            # What it holds is not taken for known: the same mistake again is no success.
            self._known = self._whole = None
            first = self.follower.target_seconds if self.loads else FIRST_PAUSE_SECONDS
            window = self.follower.listed_seconds
            undaunted = min(UNDAUNTED_RELOADS, int(window / first))
            pause = first * 2 ** min(max(0, self.failures - 1 - undaunted), 5)
            self.due_at = now + _pause(pause)
            if now - self._loaded_at > window:
                # What it listed meanwhile has come and gone, and why nobody saw it is told.
                self.follower.pause()
            raise
        self.failures = 0
        self.loads += 1
        moved = loaded is not None and loaded.step.moved
        self.unchanged = 0 if moved else self.unchanged + 1
        self.seen_at = self._clock()
        if moved:
            self.moved_at = self.seen_at
        if loaded is not None:
            self.ended = loaded.media.ended
        self.due_at = math.inf if self.ended else self._next_at(now, moved)
        return loaded

    def _next_at(self, asked_at: float, moved: bool) -> float:
        target = self.follower.target_seconds
        if self._blocks() and moved:
            if self._follow_parts:
                return asked_at
            listed = self.follower.listed
            last = (listed[-1].duration_seconds if listed else None) or target
            return self._clock() + max(0.0, last - HELD_SECONDS)
        if moved:
            listed = self.follower.listed
            last = min((listed[-1].duration_seconds if listed else None) or target, target)
            return asked_at + _pause((1.0 - EARLIER_SHARE) * last)
        # Half a target duration where nothing changed, less where it was asked for early.
        patient = 1.0 if self.unchanged > PATIENT_RELOADS else 0.5
        return asked_at + _pause((EARLY_SHARE if self.unchanged <= EARLY_RELOADS else patient) * target)

    def _load(self, variables: dict[str, str], now: float) -> Loaded | None:
        order = [self._active, *(index for index in range(len(self.uris)) if index != self._active)]
        if self._active and now >= self._back_at:
            order = [0, *(index for index in order if index)]
        failed: list[Rejected | Transient] = []
        for index in order:
            try:
                loaded = self._load_from(index, variables, now)
            except (Rejected, Transient) as exc:
                failed.append(exc)
                self._tell_failing(index, exc)
                continue
            self._told.over(self.rendition_id, ManifestFindingKind.FAILING_ORIGIN, key=f"cdn-{index}")
            if index != self._active:
                self._active = index
            if index and (failed or index != self._active):
                self._back_at = now + RETURN_SECONDS
            self._active = index
            return loaded
        if self.offered != self.uris:
            # The master names other addresses by now: tokens and sessions run out.
            self.uris, self._active, self._known = self.offered, 0, None
            return self._load(variables, now)
        raise failed[0]

    def _tell_failing(self, index: int, error: Rejected | Transient) -> None:
        if len(self.uris) > 1:
            self._told.begin(
                self.rendition_id,
                ManifestFindingKind.FAILING_ORIGIN,
                f"{error}; another address of the same rendition stands in",
                key=f"cdn-{index}",
                cdn=host_of(self.uris[index])[:256],
            )

    def _load_from(self, index: int, variables: dict[str, str], now: float) -> Loaded | None:
        uri = self.uris[index]
        switched = index != self._active
        directives = {} if switched else self._directives(now)
        try:
            found = self._fetch(_with_query(uri, directives), held="_HLS_msn" in directives)
            media = None if found is None else self._parsed(found, variables)
            whole = None if media is None else merged(media, self.follower.listed)
        except (Rejected, Transient):
            if not directives:
                raise
            # A server that does not know its own directives: it is asked plainly from now on.
            self._low_latency = False
            return self._load_from(index, variables, now)
        if found is None or media is None:
            self._loaded_at = now
            return None
        if whole is None:
            # It skips what is not known: all of it is asked for.
            found = self._fetch(uri, held=False)
            media = whole = self._parsed(found, variables) if found is not None else self._media
            if found is None or media is None or whole is None or media.skipped:
                raise BadPlaylist(f"{shown(uri)}: skips segments that were never listed; send the whole playlist")
        self._media, self._loaded_at = whole, now
        step = self.follower.read(whole, found.uri, self._clock())
        return Loaded(whole, found.uri, step, switched)

    def _fetch(self, url: str, *, held: bool) -> Fetched | None:
        known = self._known[1] if self._known is not None and self._known[0] == url else None
        found = self._fetcher.fetch_if_changed(Resource(uri=url), known, max_bytes=self._limits.max_playlist_bytes)
        self.seconds = 0.0 if held or found is None else found.seconds
        if found is not None:
            self._known = (url, found)
        return found

    def _parsed(self, found: Fetched, variables: dict[str, str]) -> Media:
        listed = self.follower.listed
        if self._whole is not None and listed:
            short = shortened(found.data, self._whole, len(listed))
            media = self._parsed_data(short, found.uri, variables) if short is not None else None
            # Numbers that do not go on are looked at as a whole.
            if media is not None and media.first_number + media.skipped == listed[-1].number + 1:
                self._whole = found.data
                return media
        media = self._parsed_data(found.data, found.uri, variables)
        self._whole = None if media.skipped else found.data
        return media

    def _parsed_data(self, data: bytes, uri: str, variables: dict[str, str]) -> Media:
        media = parse(data, uri, max_segments=self._limits.max_segments, variables=variables, may_be_empty=True)
        if isinstance(media, Master):
            raise BadPlaylist(f"{shown(uri)}: a master playlist where a media playlist is due; correct the master")
        return media

    def _blocks(self) -> bool:
        control = self._media.control if self._media is not None else {}
        return self._low_latency and control.get("CAN-BLOCK-RELOAD", "").upper() == "YES"

    def _directives(self, now: float) -> dict[str, str]:
        media = self._media
        if not self._low_latency or media is None or not media.listed or self.ended:
            return {}
        found: dict[str, str] = {}
        if self._blocks():
            found["_HLS_msn"] = str(media.listed[-1].number + 1)
            if self._follow_parts and media.part_target_seconds:
                # Counted from 0: as many as are out is the number of the next one.
                found["_HLS_part"] = str(len(media.parts))
        skip_until = number(media.control.get("CAN-SKIP-UNTIL", ""))
        # RFC 8216bis 6.2.5.1: a delta update is asked for while the last playlist is younger than half the boundary.
        if skip_until and now - self._loaded_at < skip_until / 2:
            found["_HLS_skip"] = "YES"
        return found


def _pause(seconds: float) -> float:
    return min(max(seconds, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


def _with_query(uri: str, directives: dict[str, str]) -> str:
    if not directives:
        return uri
    parts = urlsplit(uri)
    # In order of their names, as the specification wants it for caches.
    added = "&".join(f"{name}={value}" for name, value in sorted(directives.items()))
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))
