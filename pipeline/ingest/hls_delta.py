"""Delta updates of HLS (EXT-X-SKIP): the skipped segments are those of the playlist before."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.ingest.hls_playlist import Entry, Media


def merged(media: Media, before: Sequence[Entry]) -> Media | None:
    """Return a playlist with its skipped segments put in; None: `before` does not hold them, ask for all of it.

    `before`: what was listed last, in order.
    """
    if not media.skipped:
        return media
    first_listed = media.first_number + media.skipped
    skipped = tuple(entry for entry in before if media.first_number <= entry.number < first_listed)
    if len(skipped) != media.skipped or skipped[0].number != media.first_number:
        return None
    last = skipped[-1]
    # What the skipped part said still holds: discontinuities are counted on, keys and init segments are in force.
    ahead = last.discontinuity_sequence - media.first_discontinuity
    listed = [
        replace(
            entry,
            discontinuity_sequence=entry.discontinuity_sequence + ahead,
            key=entry.key if entry.key_stated else last.key,
            key_stated=entry.key_stated or last.key_stated,
            init_uri=entry.init_uri or last.init_uri,
            init_range=entry.init_range if entry.init_uri else last.init_range,
            init_key=entry.init_key if entry.init_uri else last.init_key,
        )
        for entry in media.listed
    ]
    every = (*skipped, *listed)
    return replace(media, listed=every, entries=tuple(entry for entry in every if not entry.gap), skipped=0)
