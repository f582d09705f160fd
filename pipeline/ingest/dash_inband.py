"""Reads the heads of new segments where the manifest says that they carry SCTE-35 messages."""

import logging
from collections.abc import Iterator, Sequence

from pipeline.errors import Rejected, Transient
from pipeline.ingest.dash_events import Mark, inband_marks
from pipeline.ingest.dash_new import New
from pipeline.ingest.source import Source
from schemas import ByteRange, Resource

# Messages stand before the fragment; one is some hundred bytes.
HEAD_BYTES = 8192
# After a pause there may be many new segments; the newest ones tell what is on now.
MOST_READ = 8

log = logging.getLogger(__name__)


def read_inband(new: Sequence[New], source: Source) -> Iterator[Mark]:
    """Yield the splices in the smallest new segments, on the time axis: all rungs carry the same."""
    carrying = [each for each in new if each.listed.representation.inband_splices]
    if not carrying:
        return
    smallest = min(carrying, key=lambda each: each.listed.representation.bandwidth or 0).rung
    for each in [each for each in carrying if each.rung is smallest][-MOST_READ:]:
        address, addressing = each.address, each.listed.representation.addressing
        whole = address.byte_range
        head = ByteRange(
            offset=whole.offset if whole else 0, length=min(HEAD_BYTES, whole.length) if whole else HEAD_BYTES
        )
        try:
            uri = source.follow(address.reference)
            data = source.fetcher.read(Resource(uri=uri, byte_range=head), max_bytes=HEAD_BYTES)
        except (Rejected, Transient) as exc:
            # The worker that reads the segment tells what is wrong with it.
            log.debug("No event messages of segment %d: %s", each.number, exc)
            return
        offset = addressing.presentation_time_offset / addressing.timescale if addressing else 0.0
        for mark in inband_marks(data, address.start_seconds, offset):
            yield mark.moved(each.listed.placed.zero_seconds)
