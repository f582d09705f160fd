"""From a listed HLS entry to a segment: addresses followed within what is allowed, keys named and never carried."""

from datetime import datetime

from pydantic import ValidationError

from pipeline.errors import BadPlaylist
from pipeline.ingest.access import Access, Scope, shown
from pipeline.ingest.hls_playlist import Entry
from schemas import ContentLabel, EncryptionKey, Resource, Segment, TimeBasis

# Init segments and keys of one playlist; more are looked up again.
ADDRESSES_KEPT = 64


class Addresses:
    """Makes the segments of one playlist."""

    def __init__(self, access: Access, scope: Scope, uri: str) -> None:
        self._access = access
        self._scope = scope
        self._uri = uri
        self._known: dict[str, str] = {}

    def segment(
        self,
        entry: Entry,
        rendition_id: str,
        start_seconds: float,
        basis: TimeBasis,
        *,
        label: ContentLabel = ContentLabel.PROGRAM,
        cdn: str | None = None,
        expires_at: datetime | None = None,
    ) -> Segment:
        """Return the segment of an entry.

        Raises:
            NotAllowed: It, its init segment or its key lies where the playlist may not point to.
            BadPlaylist: What is stated of it is out of all bounds.
        """
        init = None
        if entry.init_uri:
            init = Resource(uri=self._follow(entry.init_uri), byte_range=entry.init_range)
        target = self._access.follow(entry.uri, self._uri, self._scope)
        try:
            return Segment(
                rendition_id=rendition_id,
                number=entry.number,
                media=Resource(uri=target, byte_range=entry.byte_range),
                init=init,
                key=self._key(entry.key),
                init_key=self._key(entry.init_key) if init else None,
                discontinuity_sequence=entry.discontinuity_sequence,
                start_seconds=start_seconds,
                duration_seconds=entry.duration_seconds,
                time_basis=basis,
                label=label,
                cdn=cdn,
                expires_at=expires_at,
            )
        except ValidationError as exc:
            raise BadPlaylist(
                f"{shown(self._uri)} line {entry.line}: {exc.errors()[0]['msg']}; correct the playlist"
            ) from exc

    def _key(self, key: EncryptionKey | None) -> EncryptionKey | None:
        if key is None or key.uri is None:
            return key
        if key.method.upper() != "AES-128" or key.uri[:5].lower() == "data:":
            # Not to be decrypted here; an address for a DRM system, or the key itself, goes no further.
            return key.model_copy(update={"uri": None})
        return key.model_copy(update={"uri": self._follow(key.uri)})

    def _follow(self, reference: str) -> str:
        found = self._known.get(reference)
        if found is None:
            found = self._access.follow(reference, self._uri, self._scope)
            if len(self._known) >= ADDRESSES_KEPT:
                self._known.clear()
            self._known[reference] = found
        return found
