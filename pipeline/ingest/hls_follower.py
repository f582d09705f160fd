"""One HLS media playlist over its reloads: which segments are new, and what it does that it should not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from pipeline.ingest.access import shown
from pipeline.ingest.hls_playlist import Entry, Media
from pipeline.ingest.told import Told
from schemas import ByteRange, ManifestFindingKind, Severity

# Segments that left the list are remembered a while: an older copy of the playlist lists them again.
REMEMBERED_AFTER_LEAVING = 40
# Older than that it is no copy that lags in a cache, but a server that began anew with the same names.
OLDEST_COPY_SECONDS, OLDEST_COPY_TARGETS = 30.0, 6
# A playlist may round durations otherwise from one reload to the next.
SAME_DURATION_SECONDS, SAME_DURATION_SHARE = 0.05, 0.02
SMALL_WINDOW_SHARE, RESTORED_WINDOW_SHARE = 0.5, 0.8
LEAST_TARGETS_IN_WINDOW = 3
FALLBACK_TARGET_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Step:
    """What a reload brought."""

    fresh: tuple[Entry, ...] = ()
    """Not listed before, in order, gaps among them; their discontinuity sequences are those that are published."""
    missed: int = 0
    """Segments that came and went unseen before the first fresh one."""
    restarted: bool = False
    """The media sequence began anew: the fresh segments follow those before it, whatever their numbers."""
    moved: bool = False


@dataclass(frozen=True, slots=True)
class _Seen:
    uri: str
    byte_range: ByteRange | None
    duration_seconds: float | None
    seen_at: float


class Eras:
    """How often the media sequence began anew, for all renditions of a presentation.

    Each time the discontinuity sequences that are published go on above the last ones, for all renditions alike, so
    that a number that comes again is another segment.
    """

    def __init__(self, offsets: Sequence[int] = (0,)) -> None:
        self.offsets = list(offsets)

    def offset(self, era: int, least: int) -> int:
        """Return what is added in an era; `least`: above all that the rendition has published."""
        if era == len(self.offsets):
            self.offsets.append(least)
        return max(self.offsets[era], least)


class Follower:
    """What is known of one playlist."""

    def __init__(self, rendition_id: str, told: Told, eras: Eras) -> None:
        self.listed: tuple[Entry, ...] = ()
        """As listed last, gaps and discontinuity sequences as declared."""
        self.last_number: int | None = None
        self.last_discontinuity = 0
        """As published."""
        self.era = 0
        self.offset = 0
        self._rendition_id = rendition_id
        self._told = told
        self._eras = eras
        self._seen: dict[int, _Seen] = {}
        self._first_number = 0
        self._declared_number: int | None = None
        self._target_seconds = 0.0
        self._promised_seconds = 0.0
        """The target duration that holds: another one does once all segments of its time have left the list."""
        self._promised_until = 0
        self._changed_at = 0.0
        self._window_seconds = 0.0
        self._shape: tuple[object, ...] = ()
        self._read_at = 0.0
        self.has_begun = False
        """Segments were given out before the last step."""

    @property
    def target_seconds(self) -> float:
        return self._target_seconds or FALLBACK_TARGET_SECONDS

    @property
    def listed_seconds(self) -> float:
        """How long what was listed last lasts: what is published now stays listed for about so long."""
        return sum(entry.duration_seconds or self.target_seconds for entry in self.listed)

    def go_on(self, last_number: int, last_discontinuity: int, era: int, offset: int) -> None:
        """Begin where an earlier process stopped."""
        self.last_number, self.last_discontinuity = last_number, last_discontinuity
        self.era, self.offset = era, offset

    def pause(self) -> None:
        """It is not looked at for a while: what comes and goes meanwhile is not told."""
        self._read_at = 0.0

    def read(self, media: Media, uri: str, now: float) -> Step:
        """Take in a playlist, whole or merged, and return what it brought."""
        self.has_begun = self.last_number is not None
        self._check_target(media, uri)
        last = media.listed[-1] if media.listed else None
        shape = (last and (last.number, last.uri, last.byte_range), len(media.parts), media.ended)
        moved = shape != self._shape
        self._shape = shape
        if not media.listed:
            return Step(moved=moved)
        media = self._renumbered(media, uri)
        step = self._compare(media, uri, now)
        if step is None:
            return Step()
        self._check_window(media, step)
        self._remember(media, step, now)
        return replace(step, moved=moved)

    def _renumbered(self, media: Media, uri: str) -> Media:
        """Return the playlist with numbers that go on, where the window moves and EXT-X-MEDIA-SEQUENCE does not.

        ffmpeg writes such playlists (hls_flags single_file).
        """
        declared_before, self._declared_number = self._declared_number, media.first_number
        if media.first_number != declared_before:
            return media
        known = {(entry.uri, entry.byte_range): entry.number for entry in self.listed}
        found = ((known.get((entry.uri, entry.byte_range)), entry.number) for entry in media.listed)
        shifts = {number - declared for number, declared in found if number is not None}
        shift = shifts.pop() if len(shifts) == 1 else 0
        if shift <= 0:
            return media
        self._told.once(
            self._rendition_id,
            ManifestFindingKind.CHANGED_SEGMENT,
            f"{shown(uri)}: segments leave the list and EXT-X-MEDIA-SEQUENCE stays {media.first_number}, so that every "
            "number means another segment each time; players lose their place: count it up",
            about="unnumbered",
            number=media.first_number,
        )
        listed = tuple(replace(entry, number=entry.number + shift) for entry in media.listed)
        return replace(
            media,
            listed=listed,
            entries=tuple(entry for entry in listed if not entry.gap),
            first_number=media.first_number + shift,
        )

    def _compare(self, media: Media, uri: str, now: float) -> Step | None:
        """Return the new segments; None: an older copy, which says nothing."""
        last, highest = self.last_number, media.listed[-1].number
        if last is None:
            return Step(fresh=tuple(self._published(media.listed)))
        changed = self._changed(media)
        if highest < last:
            if self._is_older_copy(media, bool(changed), now):
                self._told.begin(
                    self._rendition_id,
                    ManifestFindingKind.SEQUENCE_WENT_BACK,
                    f"{shown(uri)}: the media sequence goes back from {last} to {highest}: an older copy of the "
                    "playlist; expected is that a cache never serves an older one than before",
                    key="copy",
                    about=f"copy-{last}",
                    severity=Severity.INFO,
                    number=highest,
                )
                return None
            return self._restart(media, uri)
        self._told.over(self._rendition_id, ManifestFindingKind.SEQUENCE_WENT_BACK, key="copy")
        if changed:
            self._tell_changed(changed, uri, now)
        elif now - self._changed_at > self._window_seconds:
            self._told.over(self._rendition_id, ManifestFindingKind.CHANGED_SEGMENT, key="changed")
        if self.listed and media.first_number < self._first_number:
            self._told.once(
                self._rendition_id,
                ManifestFindingKind.SEQUENCE_WENT_BACK,
                f"{shown(uri)}: EXT-X-MEDIA-SEQUENCE goes back from {self._first_number} to {media.first_number}, with "
                "the same segments; expected is that it only grows",
                about=f"window-{self._first_number}-{media.first_number}",
                severity=Severity.INFO,
                number=media.first_number,
            )
        fresh = tuple(self._published([entry for entry in media.listed if entry.number > last]))
        missed = fresh[0].number - last - 1 if fresh else 0
        # Not told of the time in which nobody looked, before an earlier process was taken over from.
        if missed > 0 and self._read_at:
            away = f" ({now - self._read_at:.0f} s after the reload before)"
            self._told.once(
                self._rendition_id,
                ManifestFindingKind.MISSING_SEGMENT,
                f"{shown(uri)}: skips {missed} segments, from {last + 1} to {fresh[0].number - 1}{away}: they were "
                "never listed while we looked; expected is that every segment stays for three target durations",
                about=f"{last + 1}-{fresh[0].number - 1}",
                number=last + 1,
            )
        return Step(fresh=fresh, missed=missed)

    def _restart(self, media: Media, uri: str) -> Step:
        first = media.listed[0].number
        self._told.once(
            self._rendition_id,
            ManifestFindingKind.SEQUENCE_WENT_BACK,
            f"{shown(uri)}: the media sequence goes back from {self.last_number} to {media.listed[-1].number}, with "
            "other segments: the packager began anew; expected is that numbers go on, after EXT-X-DISCONTINUITY",
            about=f"{self.last_number}-{first}-{self.era}",
            number=first,
        )
        self._told.over(self._rendition_id, ManifestFindingKind.SEQUENCE_WENT_BACK, key="copy")
        self.era += 1
        self.offset = self._eras.offset(self.era, self.last_discontinuity + 1)
        self._seen.clear()
        self._window_seconds = 0.0
        return Step(fresh=tuple(self._published(media.listed)), restarted=True)

    def _published(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        if not self.offset:
            return entries
        return [replace(entry, discontinuity_sequence=entry.discontinuity_sequence + self.offset) for entry in entries]

    def _is_older_copy(self, media: Media, changed: bool, now: float) -> bool:
        known = [seen for entry in media.listed if (seen := self._seen.get(entry.number)) is not None]
        if changed or not known:
            return False
        oldest = max(OLDEST_COPY_SECONDS, OLDEST_COPY_TARGETS * self.target_seconds)
        newest = self._seen.get(media.listed[-1].number)
        return newest is not None and now - newest.seen_at <= oldest

    def _changed(self, media: Media) -> list[tuple[Entry, str]]:
        """Return the segments that are listed again as something else, and what is different."""
        both = [(entry, seen) for entry in media.listed if (seen := self._seen.get(entry.number)) is not None]
        moved = all(_path(entry.uri) != _path(seen.uri) for entry, seen in both if entry.uri != seen.uri)
        moved = moved and all(entry.uri != seen.uri for entry, seen in both)
        found: list[tuple[Entry, str]] = []
        for entry, seen in both:
            ours, theirs = entry.duration_seconds, seen.duration_seconds
            if not _same_place(entry.uri, seen.uri, moved) or entry.byte_range != seen.byte_range:
                found.append((entry, f"{_path(seen.uri).name} became {_path(entry.uri).name}"))
            elif ours and theirs and abs(ours - theirs) > max(SAME_DURATION_SECONDS, SAME_DURATION_SHARE * theirs):
                found.append((entry, f"its duration went from {theirs:g} to {ours:g} s"))
        return found

    def _tell_changed(self, changed: list[tuple[Entry, str]], uri: str, now: float) -> None:
        """Tell it until a whole window has gone by without another change."""
        self._changed_at = now
        first, what = changed[0]
        more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        self._told.begin(
            self._rendition_id,
            ManifestFindingKind.CHANGED_SEGMENT,
            f"{shown(uri)}: segment {first.number} is listed again as something else ({what}){more}; "
            "expected is that a listed segment never changes",
            key="changed",
            about=f"{self.era}-{first.number}",
            number=first.number,
        )

    def _check_target(self, media: Media, uri: str) -> None:
        kind = ManifestFindingKind.TARGET_DURATION
        declared, before = media.target_seconds, self._target_seconds
        longest = max((entry.duration_seconds or 0 for entry in media.listed), default=0.0)
        self._target_seconds = declared or longest or before
        if not declared or not media.listed:
            return
        if before and declared != before:
            self._promised_until = media.listed[-1].number
        if not self._promised_seconds or media.first_number > self._promised_until:
            self._promised_seconds = declared
        # Rounded to the nearest second, as the specification compares them (int(x + 0.5): 2.5 is 3).
        long = [entry for entry in media.listed if int((entry.duration_seconds or 0) + 0.5) > declared]
        changed = ""
        if declared != self._promised_seconds:
            changed = f"EXT-X-TARGETDURATION changes from {self._promised_seconds:g} to {declared:g} s"
        if long:
            self._told.begin(
                self._rendition_id,
                kind,
                f"{shown(uri)}: {f'{changed}, and ' if changed else ''}segment {long[0].number} lasts "
                f"{long[0].duration_seconds:g} s, longer than the target duration of {declared:g} s; "
                "players may stall: raise the target, or cut shorter",
                key="promise",
                about=f"long-{long[0].number}",
                number=long[0].number,
            )
        elif changed:
            self._told.begin(
                self._rendition_id,
                kind,
                f"{shown(uri)}: {changed}; expected is that it never changes",
                key="promise",
                about=f"{self._promised_seconds:g}-{declared:g}",
            )
        else:
            self._told.over(self._rendition_id, kind, key="promise")

    def _check_window(self, media: Media, step: Step) -> None:
        window = sum(entry.duration_seconds or self.target_seconds for entry in media.listed)
        kind = ManifestFindingKind.WINDOW_SHRINKING
        shrank = window < SMALL_WINDOW_SHARE * self._window_seconds
        if media.playlist_type == "EVENT":
            shrank = bool(self.listed) and not step.restarted and media.first_number > self._first_number
        if shrank and not media.ended:
            self._told.begin(
                self._rendition_id,
                kind,
                f"lists {window:.0f} s of segments, after {self._window_seconds:.0f} s before; expected is a window of "
                f"at least {LEAST_TARGETS_IN_WINDOW} target durations that stays as long as it is",
                about=str(media.first_number),
                number=media.first_number,
            )
        elif window >= RESTORED_WINDOW_SHARE * self._window_seconds:
            self._told.over(self._rendition_id, kind)
        if not self._told.lasts(self._rendition_id, kind):
            self._window_seconds = max(self._window_seconds, window)

    def _remember(self, media: Media, step: Step, now: float) -> None:
        for entry in media.listed:
            before = self._seen.get(entry.number)
            if before is None or (before.uri, before.byte_range, before.duration_seconds) != (
                entry.uri,
                entry.byte_range,
                entry.duration_seconds,
            ):
                seen_at = before.seen_at if before else now
                self._seen[entry.number] = _Seen(entry.uri, entry.byte_range, entry.duration_seconds, seen_at)
        oldest = media.first_number - REMEMBERED_AFTER_LEAVING
        for number in [number for number in self._seen if number < oldest]:
            del self._seen[number]
        if step.fresh:
            self.last_number = step.fresh[-1].number
            self.last_discontinuity = step.fresh[-1].discontinuity_sequence
        self.listed, self._first_number, self._read_at = media.listed, media.first_number, now


def _same_place(uri: str, before: str, moved: bool) -> bool:
    """Return whether two addresses lead to one segment; queries are tokens.

    `moved`: all segments changed their folder: another session, or another CDN, and the name alone counts.
    """
    if uri == before:
        return True
    path, path_before = _path(uri), _path(before)
    return path.name == path_before.name if moved else path == path_before


def _path(uri: str) -> PurePosixPath:
    """Return the path of an address as listed, without its query."""
    try:
        return PurePosixPath(urlsplit(uri).path)
    except ValueError:
        return PurePosixPath(uri)
