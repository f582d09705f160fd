"""Reads objects of S3, Google Cloud Storage and Azure: the only user of fsspec, which the extra ``objects`` brings."""

import threading
from importlib import import_module
from typing import Any, BinaryIO

from pipeline.errors import LimitExceeded, NotAllowed, NotFound, Transient
from schemas import ByteRange

PIECE_BYTES = 4 * 1024 * 1024
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}

_systems: dict[str, Any] = {}
_lock = threading.Lock()


def read_object(uri: str, byte_range: ByteRange | None, max_bytes: int, sink: BinaryIO) -> None:
    """Write an object, or a range of it, to `sink`. Credentials are found as the store's own tools find them.

    Raises:
        NotAllowed: The package for this kind of store is not installed, or the store refuses.
        NotFound: No such object, or no bytes where the range is.
        LimitExceeded: It is bigger than `max_bytes`.
        Transient: The store failed.
    """
    system = _system(uri)
    try:
        size = int(system.info(uri)["size"] or 0)
        first = byte_range.offset if byte_range else 0
        last = min(size, first + byte_range.length) if byte_range else size
        if last - first > max_bytes:
            raise LimitExceeded(
                f"{uri}: more than {max_bytes} bytes; raise RUNGWATCH_FETCH_MAX_SEGMENT_BYTES "
                "(or RUNGWATCH_FETCH_MAX_PLAYLIST_BYTES for a playlist) if it is meant to be so big"
            )
        if byte_range is not None and first >= last:
            raise NotFound(f"{uri}: no bytes from {first} on; the playlist does not fit the object, produce both anew")
        for start in range(first, last, PIECE_BYTES):
            sink.write(system.cat_file(uri, start=start, end=min(last, start + PIECE_BYTES)))
    except (LimitExceeded, NotFound):
        raise
    except FileNotFoundError as exc:
        raise NotFound(f"{uri}: no such object; check the address") from exc
    except PermissionError as exc:
        raise NotAllowed(f"{uri}: the store refuses; check the credentials") from exc
    except Exception as exc:
        # Each store has its own errors, which only its package knows; what they say may hold keys.
        raise Transient(f"{uri}: the store failed ({type(exc).__name__})") from exc


def _system(uri: str) -> Any:
    scheme = uri.partition(":")[0].lower()
    with _lock:
        if scheme not in _systems:
            try:
                # Listings are not kept: a live stream grows all the time.
                _systems[scheme] = import_module("fsspec").filesystem(scheme, use_listings_cache=False)
            except ImportError as exc:
                package = PACKAGES[scheme]
                raise NotAllowed(
                    f"{uri}: {package} is missing; run `pip install 'rungwatch[objects]'`, or `pip install {package}`"
                ) from exc
        return _systems[scheme]
