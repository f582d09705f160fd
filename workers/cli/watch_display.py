"""What `rungwatch watch` shows: a moving table on a terminal, a line now and then elsewhere, the table at the end."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from pipeline.errors import NotFound, Transient
from pipeline.report.table import console_for, rejected_line
from pipeline.series import SeriesQueries
from schemas import DeadLetter
from workers.cli.series_lines import Asked, answer
from workers.cli.series_table import renderables
from workers.service.watch import Display, Standing, Watched

_REDRAW_SECONDS = 1.0
_LINE_SECONDS = 10.0  # between two lines where nothing can be drawn over
_LIVE_MINUTES = 10
_MOST_STREAMS = 8  # on one screen
_MOST_LETTERS = 50


class Screen(Display):
    """Messages and the moving table go to stderr, the table at the end to stdout. Told from one thread at a time."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._draws = self._console.is_terminal and not quiet
        self._quiet = quiet
        self._live: Live | None = None
        self._at = 0.0
        self._letters = 0
        self._streams: list[str] = []
        self.shown = 0
        """Streams with points, at the end."""

    def __enter__(self) -> Self:
        if self._draws:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(Text(text))

    def letter(self, letter: DeadLetter) -> None:
        self._letters += 1
        if self._letters <= _MOST_LETTERS:
            self._console.print(Text(rejected_line(letter)))

    def standing(self, standing: Standing, queries: SeriesQueries) -> None:
        now = time.monotonic()
        self._streams = list(standing.streams)
        if self._quiet or now - self._at < (_REDRAW_SECONDS if self._draws else _LINE_SECONDS):
            return
        self._at = now
        line = Text(_in_words(standing), "dim")
        if self._live is None:
            self._console.print(line)
            return
        parts: list[RenderableType] = []
        for stream_id in self._streams[:_MOST_STREAMS]:
            parts += self._table(queries, stream_id, self._console.width, live=True)
        self._live.update(Group(*parts, line), refresh=True)

    def done(self, watched: Watched, queries: SeriesQueries) -> None:
        self._stop()
        out = console_for(sys.stdout)
        for stream_id in watched.streams:
            parts = self._table(queries, stream_id, out.width, live=False)
            self.shown += bool(parts)
            for part in parts:
                out.print(part)
        if self._letters > _MOST_LETTERS:
            self._console.print(Text(f"and {self._letters - _MOST_LETTERS} more that could not be scored"))

    def _table(self, queries: SeriesQueries, stream_id: str, width: int, *, live: bool) -> list[RenderableType]:
        last = _LIVE_MINUTES * 60.0 if live else None
        try:
            found = answer(queries, Asked(stream_id, last_seconds=last))
        except (NotFound, Transient):
            return []  # nothing is scored yet, or Redis is away for the moment
        return list(renderables(found, width)) if found.lines else []

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def _in_words(standing: Standing) -> str:
    scored = max(0, standing.announced - standing.left)
    known = f", {standing.known} scored before" if standing.known else ""
    more = "" if standing.is_fed else ", more may come"
    return f"{scored} of {standing.announced} segments scored{known}{more}"
