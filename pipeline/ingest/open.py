"""Opens a presentation by its address or path: which of the formats it is stands in its first bytes."""

from pipeline.errors import BadPlaylist
from pipeline.ingest.access import as_path, is_remote, shown
from pipeline.ingest.dash_live import DashPresentation
from pipeline.ingest.fetch import Fetcher
from pipeline.ingest.hls_live import HlsPresentation
from pipeline.ingest.hls_position import Position
from pipeline.ingest.presentation import Presentation
from pipeline.settings import FetchLimits
from schemas import Resource

_HEAD_BYTES = 4096


def open_presentation(
    address: str, stream_id: str, fetcher: Fetcher, limits: FetchLimits, position: str | None = None
) -> Presentation:
    """Return what follows the playlist or manifest at an address, a path or a ``file:`` URI.

    `position`: as JSON, of a `Resumable` that an earlier process followed; None: begin anew.

    Raises:
        Rejected: It is neither, or may not be read.
        Transient: It cannot be read now.
    """
    remote = is_remote(address)
    scope = fetcher.access.admit_url(address) if remote else fetcher.access.admit_folder(as_path(address).parent)
    uri = address if remote else as_path(address).absolute().as_uri()
    data = fetcher.read(Resource(uri=uri), max_bytes=limits.max_playlist_bytes)
    head = data[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"#EXTM3U"):
        resumed = None if position is None else Position.model_validate_json(position)
        return HlsPresentation(uri, stream_id, fetcher, limits, scope, position=resumed)
    if head.startswith(b"<"):
        return DashPresentation(uri, stream_id, fetcher, limits, scope)
    raise BadPlaylist(f"{shown(address)}: neither an HLS playlist nor a DASH manifest; name one of these")
