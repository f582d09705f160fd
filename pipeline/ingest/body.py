"""Takes the compression off a body in small pieces, so that a kilobyte that stands for a gigabyte floods nothing."""

import zlib
from collections.abc import Iterable, Iterator

from pipeline.errors import NotMedia, Transient

PIECE_BYTES = 64 * 1024
# zlib's own range, and 32 more to tell gzip and zlib headers apart by itself.
ANY_HEADER = 32 + zlib.MAX_WBITS


def decoded(chunks: Iterable[bytes], encoding: str, where: str) -> Iterator[bytes]:
    """Yield the bytes of a body as they were before it was sent. `where`: shown in errors.

    Raises:
        NotMedia: The encoding is not known, or the body does not have it.
        Transient: The body breaks off.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from chunks
    elif name in ("gzip", "x-gzip", "deflate"):
        yield from _inflated(chunks, where)
    else:
        raise NotMedia(f"{where}: sent as {encoding[:40]!r}, which was not asked for; correct the server")


def _inflated(chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
    inflate = zlib.decompressobj(ANY_HEADER)
    begun = False
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                if inflate.eof:
                    inflate = zlib.decompressobj(ANY_HEADER)
                begun = True
                piece = inflate.decompress(rest, PIECE_BYTES)
                rest = inflate.unconsumed_tail or inflate.unused_data
                if piece:
                    yield piece
        # What zlib holds back when a piece was full.
        while begun and not inflate.eof and (piece := inflate.decompress(b"", PIECE_BYTES)):
            yield piece
    except zlib.error as exc:
        raise NotMedia(f"{where}: said to be compressed, and is not ({exc}); correct the server") from exc
    if begun and not inflate.eof:
        raise Transient(f"{where}: the compressed body breaks off")
