"""Where media bytes come from: a plain local file that is streamed, or bytes in memory."""

import errno
import io
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import EmptyInput, LimitExceeded, NotAllowed, NotFound, NotMedia, UsageError
from pipeline.settings import DecodeLimits

# Elementary streams carry no magic number: the demuxer needs the extension where probing is not sure.
RAW_EXTENSIONS = frozenset(
    (".h264", ".264", ".avc", ".jvt", ".hevc", ".h265", ".265", ".obu", ".ivf", ".m2v", ".m1v", ".m4v", ".y4m")
)


class _Disk(io.FileIO):
    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return _sought(super().seek, offset, whence)


class _Memory(io.BytesIO):
    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return _sought(super().seek, offset, whence)


ByteFile = _Disk | _Memory


def _sought(seek: Callable[[int, int], int], offset: int, whence: int) -> int:
    """Return the new position, or a negative error number as libav expects it: damaged offsets point before 0."""
    try:
        return seek(offset, whence)
    except (OSError, ValueError, OverflowError):
        return -errno.EINVAL


@dataclass(frozen=True, slots=True)
class MediaSource:
    """One source of pictures; exactly one of `path` and `data` is set."""

    name: str
    """Path or URI, for messages."""
    path: Path | None = None
    """A plain local file, streamed; its time starts at 0."""
    data: bytes | None = None
    """A whole segment; fMP4: init segment and media segment, one after the other. Keeps its media time."""
    extension: str | None = None
    """With the dot; helps where the bytes alone do not tell (``.h264``)."""

    def __post_init__(self) -> None:
        if (self.path is None) == (self.data is None):
            raise UsageError(f"{self.name}: a media source is either a path or data")

    @classmethod
    def of_path(cls, path: Path) -> "MediaSource":
        return cls(name=str(path), path=path)

    @property
    def raw_extension(self) -> str | None:
        """The extension where it names an elementary stream; None: the bytes must tell."""
        extension = (self.extension or (self.path.suffix if self.path else "")).lower()
        return extension if extension in RAW_EXTENSIONS else None

    def open(self, limits: DecodeLimits) -> ByteFile:
        """Open for reading from the first byte. Demuxers see the extension of raw formats, and no other name:
        a name such as ``frame%03d.png`` would have libav look for more files.

        Raises NotFound, NotMedia (a folder), NotAllowed, EmptyInput, LimitExceeded.
        """
        if self.data is not None:
            if not self.data:
                raise EmptyInput(f"{self.name}: zero bytes; fetch it again or ask the packager")
            if len(self.data) > limits.max_segment_bytes:
                raise LimitExceeded(
                    f"{self.name}: {len(self.data)} bytes are more than the {limits.max_segment_bytes} that a segment "
                    "may have; raise RUNGWATCH_DECODE_MAX_SEGMENT_BYTES if this is meant"
                )
            file: ByteFile = _Memory(self.data)
        else:
            assert self.path is not None
            file = _opened(self.path, self.name)
        file.name = f"media{self.raw_extension or ''}"
        return file


def _opened(path: Path, name: str) -> _Disk:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # non-blocking: a pipe must not hang
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{name}: no such file; check the path") from None
    except PermissionError:
        raise NotAllowed(f"{name}: not readable by this user; check its permissions") from None
    except (OSError, ValueError) as exc:
        raise NotFound(f"{name}: cannot be opened ({exc})") from None
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        if stat.S_ISDIR(facts.st_mode):
            raise NotMedia(f"{name}: is a folder; name the files in it")
        raise NotAllowed(f"{name}: is not a regular file; copy its content into one")
    if facts.st_size == 0:
        os.close(descriptor)
        raise EmptyInput(f"{name}: zero bytes; copy or export it again")
    return _Disk(descriptor, "rb")
