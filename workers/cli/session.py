"""What `score` and `demo` share: from inputs and options to results, dead letters and worst frames."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from pipeline.clips import work
from pipeline.decode.isolate import IsolatedPool
from pipeline.ingest import Fetcher, Stream, find_streams
from pipeline.settings import Settings
from schemas import DeadLetter, Ladder, ModelIdentity, SamplerIdentity, SegmentScored
from workers.ahead import Pool
from workers.failed import Failed, dead_letter
from workers.models import load_model
from workers.models.choice import ModelChoice
from workers.run import Options, Report, Runner
from workers.scoring import Scored, Scorer

EXIT_SCORED, EXIT_USAGE, EXIT_SOME_FAILED, EXIT_NONE_SCORED = 0, 2, 3, 4


@dataclass
class Outcome:
    """What a run came to, filled while it goes on."""

    scored: list[SegmentScored] = field(default_factory=list)
    rejected: list[DeadLetter] = field(default_factory=list)
    ladders: dict[str, Ladder] = field(default_factory=dict)
    worst_frames: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """(stream, rendition) -> JPEG of its worst frame."""
    notes: list[str] = field(default_factory=list)
    _worst: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        if not self.scored:
            return EXIT_NONE_SCORED
        return EXIT_SOME_FAILED if self.rejected else EXIT_SCORED

    def take(self, scored: Scored) -> None:
        record = scored.record
        key = record.stream_id, record.rendition_id
        if scored.worst_picture is not None and record.worst_frame.score < self._worst.get(key, 101.0):
            self.worst_frames[key] = scored.worst_picture
            self._worst[key] = record.worst_frame.score
        self.scored.append(record)


class Session:
    """Model, decoder processes and fetcher of one command; a context manager."""

    def __init__(self, settings: Settings, choice: ModelChoice, options: Options) -> None:
        self._settings = settings
        self._stack = ExitStack()
        # The decoders start first: they import while the model loads.
        self._pool = self._stack.enter_context(self._new_pool(options.processes))
        self._second: Pool | None = None
        self._lock = threading.Lock()
        self._fetcher = self._stack.enter_context(Fetcher(settings.fetch))
        try:
            model = load_model(choice.name, device=choice.device, allow_untrained=choice.allow_untrained)
        except BaseException:
            self._stack.close()
            raise
        self.model: ModelIdentity = model.identity
        self.sampler = SamplerIdentity(name=options.sampler.name, frames=options.sampler.frames)
        scorer = Scorer(model, self.sampler, hide_stream=choice.hide_stream)
        options = replace(options, grid=model.grid)
        self._runner = Runner(scorer, self._pool, self._second_pool, self._fetcher, settings.decode, options)

    def _second_pool(self) -> Pool:
        """Start a decoder for second looks when the first one is taken; most runs need none."""
        with self._lock:
            if self._second is None:
                self._second = self._stack.enter_context(self._new_pool(1))
            return self._second

    def _new_pool(self, processes: int) -> Pool:
        return IsolatedPool(work, processes, self._settings.decode, lambda job: job.source.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(
        self, inputs: Sequence[str], *, as_ladder: bool, outcome: Outcome, report: Report
    ) -> Iterator[SegmentScored]:
        """Score all inputs; yield every score as it comes, and gather everything in `outcome`."""
        for result in self._runner.score(self._streams(inputs, as_ladder, outcome), report):
            if isinstance(result, Failed):
                outcome.rejected.append(dead_letter(result))
            else:
                outcome.take(result)
                yield result.record

    def _streams(self, inputs: Sequence[str], as_ladder: bool, outcome: Outcome) -> Iterator[Stream]:
        found = find_streams(inputs, as_ladder=as_ladder, limits=self._settings.fetch, fetcher=self._fetcher)
        for stream in found:
            if isinstance(stream, tuple):
                outcome.rejected.append(dead_letter(Failed(*stream)))
            else:
                outcome.ladders[stream.ladder.stream_id] = stream.ladder
                outcome.notes += stream.notes
                yield stream


__all__ = ["Failed", "ModelChoice", "Options", "Outcome", "Session", "dead_letter"]
