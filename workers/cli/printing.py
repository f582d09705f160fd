"""Prints a page to a PDF by the browser that is installed."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipeline.errors import UsageError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
DRAWING_MS = 20_000
"""Of the page's own clock, for its charts; it runs as fast as the machine can."""
MOST_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Browser:
    """A Chromium or Chrome on this machine."""

    path: str

    @classmethod
    def found(cls) -> Self:
        """Return the one that is on the path. Raises UsageError where there is none."""
        path = next(filter(None, map(shutil.which, NAMES)), None)
        if path is None:
            raise UsageError(
                "--pdf prints with Chromium or Chrome, and none is installed: install one (Debian: apt-get install "
                "chromium), or write the page with --out and print it from any browser"
            )
        return cls(path)

    def print(self, page: str, pdf: Path) -> None:
        """Write the page to a PDF. Raises UsageError where the browser fails."""
        with tempfile.TemporaryDirectory(prefix="rungwatch-pdf-") as folder:
            source = Path(folder) / "report.html"
            source.write_text(page, encoding="utf-8")
            printed = Path(folder) / "report.pdf"
            command = [
                self.path,
                "--headless",
                "--disable-gpu",
                "--disable-extensions",
                "--no-first-run",
                "--no-pdf-header-footer",
                f"--user-data-dir={folder}/profile",
                f"--virtual-time-budget={DRAWING_MS}",
                f"--print-to-pdf={printed}",
                # Its sandbox refuses root; the page is ours, loads nothing and runs our scripts only.
                *(["--no-sandbox"] if os.geteuid() == 0 else []),
                source.as_uri(),
            ]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
            except subprocess.TimeoutExpired as error:
                raise UsageError(f"--pdf {pdf}: {self.path} did not print within {MOST_SECONDS} s") from error
            except OSError as error:
                raise UsageError(f"--pdf {pdf}: {self.path} cannot be started: {error.strerror}") from error
            if not printed.is_file():
                last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:300]
                raise UsageError(f"--pdf {pdf}: {self.path} did not print the page: {last}")
            try:
                shutil.copyfile(printed, pdf)
            except OSError as error:
                raise UsageError(f"--pdf {pdf}: {error.strerror}; name a file that can be written") from error
