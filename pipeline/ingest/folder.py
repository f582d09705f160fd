"""What a folder holds for us: playlists, manifests, media files; the rest is counted."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import NotAllowed, NotFound
from pipeline.ingest.names import natural_key

HLS_EXTENSIONS = {".m3u8", ".m3u"}
DASH_EXTENSIONS = {".mpd"}
STILL_EXTENSIONS = {".png", ".jpg", ".jpeg"}
AUDIO_EXTENSIONS = {".aac", ".ac3", ".flac", ".m4a", ".mp3", ".oga", ".opus", ".wav"}
"""Media without pictures: tried as well, so that the user is told."""
VIDEO_EXTENSIONS = {
    ".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mxf", ".nut", ".ogg",
    ".ogv", ".qt", ".webm", ".wmv", ".y4m",
    ".m2p", ".m2t", ".m2ts", ".mpeg", ".mpg", ".mpv", ".mts", ".ps", ".ts", ".vob",
    ".cmfv", ".dash", ".m4f", ".m4s",
    ".264", ".265", ".av1", ".avc", ".h264", ".h265", ".hevc", ".hvc", ".ivf", ".m1v", ".m2v", ".mjpeg", ".mjpg",
    ".obu",
}  # fmt: skip
MEDIA_EXTENSIONS = VIDEO_EXTENSIONS | STILL_EXTENSIONS | AUDIO_EXTENSIONS


@dataclass(slots=True)
class Listing:
    """Files directly in a folder, in natural order."""

    hls: list[Path] = field(default_factory=list)
    dash: list[Path] = field(default_factory=list)
    media: list[Path] = field(default_factory=list)
    other_files: int = 0
    folders: int = 0

    def passed_over(self) -> str:
        """Return in words what is not looked at, empty where there is nothing."""
        parts = []
        if self.other_files:
            parts.append(f"{self.other_files} file{'s that are' if self.other_files > 1 else ' that is'} not media")
        if self.folders:
            parts.append(f"{self.folders} folder{'s' if self.folders > 1 else ''} (name them to score them)")
        return "passed over: " + ", ".join(parts) if parts else ""


def list_folder(folder: Path) -> Listing:
    """Return what is in a folder. Raises NotFound, NotAllowed."""
    listing = Listing()
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: natural_key(entry.name))
    except PermissionError as exc:
        raise NotAllowed(f"{folder}: no permission to list it; change its mode or owner") from exc
    except OSError as exc:
        raise NotFound(f"{folder}: cannot be listed ({exc.strerror}); check the path") from exc
    for entry in entries:
        extension = Path(entry.name).suffix.casefold()
        if entry.is_dir():
            listing.folders += 1
        elif entry.name.startswith("."):
            listing.other_files += 1
        elif extension in HLS_EXTENSIONS:
            listing.hls.append(Path(entry.path))
        elif extension in DASH_EXTENSIONS:
            listing.dash.append(Path(entry.path))
        elif extension in MEDIA_EXTENSIONS:
            listing.media.append(Path(entry.path))
        else:
            listing.other_files += 1
    return listing
