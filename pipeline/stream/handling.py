"""What becomes of each message between poll and commit: attempts, publications, retries, dead letters."""

import logging
import queue
import random
import time
import traceback
from dataclasses import dataclass
from functools import partial

from pipeline.errors import GaveUp, Rejected, RungwatchError, Transient, Unavailable
from pipeline.settings import BusSettings
from pipeline.stream.dead_letters import ShareCap, dead_letter, letter_publication
from pipeline.stream.ledger import Ledger, Place
from pipeline.stream.observer import Observer
from pipeline.stream.protocol import Answer, Done, Message, Processor, Producer, Publication
from pipeline.stream.retry import Backoff, Outage, Waiting

log = logging.getLogger(__name__)

AWAY_MOST_SECONDS = 5.0
"""Longest pause while a service is away: once it is back, nobody shall wait for half a minute."""


class Bug(RuntimeError):
    """Work on a message failed in a way that nobody foresaw; the cause is chained."""


@dataclass(slots=True, eq=False)
class _Work:
    """One message that holds a place in flight. The thread that answers writes `answered` and `unstored`."""

    message: Message
    place: Place
    received_at: float
    attempts: int = 0
    answered: int = 0
    """The attempt that was answered last."""
    failures: int = 0
    """In a row, of attempts and publications alike."""
    failing_seconds: float = 0.0
    """Time that counts towards giving up."""
    counted_from: float | None = None
    """None: the time until the next attempt does not count, because a service is away."""
    round: int = 0
    """Of publications: news of an older round does not matter any more."""
    unstored: int = 0
    """Publications of this round that are not acknowledged."""
    rejection: Rejected | None = None
    """Why it goes to the dead letters, once it does."""
    letter_is_short: bool = False


@dataclass(slots=True)
class _Answered:
    work: _Work
    answer: Answer

    def is_success(self) -> bool:
        return isinstance(self.answer, Done)


@dataclass(slots=True)
class _Stored:
    work: _Work
    publication: Publication
    round: int
    error: Exception | None

    def is_success(self) -> bool:
        return self.error is None


class Handling:
    """All methods are for the runner's thread. Only answers and acknowledgements come from others.

    Publications leave on the thread that answers, so that they wait for no poll; what they came to is queued and
    dealt with by `settle`.
    """

    def __init__(
        self,
        producer: Producer,
        processor: Processor,
        ledger: Ledger,
        settings: BusSettings,
        dead_letter_topic: str,
        observer: Observer,
    ) -> None:
        self._producer = producer
        self._processor = processor
        self._ledger = ledger
        self._settings = settings
        self._dead_letter_topic = dead_letter_topic
        self._observer = observer
        self._share = ShareCap(settings)
        self._backoff = Backoff(settings.retry_first_seconds, settings.retry_most_seconds)
        self._away_backoff = Backoff(settings.retry_first_seconds, min(AWAY_MOST_SECONDS, settings.retry_most_seconds))
        self._chance = random.Random()
        self._news: queue.SimpleQueue[_Answered | _Stored] = queue.SimpleQueue()
        self._held: set[_Work] = set()
        self._attempts: Waiting[_Work] = Waiting()
        self._publications: Waiting[tuple[_Work, Publication]] = Waiting()
        self._service = Outage("A service that work on messages needs")
        self._publishing = Outage("The bus, asked to store what came of messages,")
        self._is_closed = False

    @property
    def in_flight(self) -> int:
        """Messages at work or waiting, those of lost partitions included until they are answered."""
        return len(self._held)

    def waiting(self) -> int:
        """Return how many of them wait for another attempt."""
        return len(self._attempts)

    def room(self) -> int:
        """Return how many more messages could be started now."""
        return max(0, min(self._processor.room(), self._settings.in_flight - len(self._held)))

    def start(self, message: Message) -> None:
        """Begin with a message; one that comes although there is no room waits for it."""
        place = self._ledger.start(message)
        if place is None:
            self._observer.discarded(message.partition.topic)
            return
        work = _Work(message, place, time.monotonic())
        self._held.add(work)
        self._observer.received(message.partition.topic)
        if self._processor.room() > 0:
            self._attempt(work)
        else:
            self._attempts.add(work.received_at, work)

    def retry_due(self) -> None:
        """Try again what is due: publications, and attempts as far as there is room."""
        now = time.monotonic()
        while (item := self._publications.take_due(now)) is not None:
            self._send(*item)
        while self._processor.room() > 0 and (work := self._attempts.take_due(now)) is not None:
            self._attempt(work)

    def next_due(self) -> float | None:
        """Return when the next retry is due, on the monotonic clock. None: nothing waits."""
        return min(filter(None, (self._attempts.next_due(), self._publications.next_due())), default=None)

    def settle(self, wait_seconds: float = 0.0) -> None:
        """Deal with all answers that have come; if there is none, wait for the first one at most so long.

        Raises:
            Bug: An answer is an error that is neither Transient nor Rejected.
            TooManyRejected: Its share is over the cap.
        """
        try:
            news = self._news.get(timeout=wait_seconds) if wait_seconds > 0 else self._news.get_nowait()
            while True:
                self._deal_with(news)
                news = self._news.get_nowait()
        except queue.Empty:
            return

    def collect(self) -> None:
        """Deal only with what succeeded, which raises nothing; the rest is left to `settle`."""
        rest = []
        while True:
            try:
                news = self._news.get_nowait()
            except queue.Empty:
                break
            if news.is_success():
                self._deal_with(news)
            else:
                rest.append(news)
        for news in rest:
            self._news.put(news)

    def drop_lost(self) -> None:
        """Let go of what waits for a retry in a partition that is no longer ours."""
        over = self._attempts.drop(lambda work: not self._ledger.is_ours(work.place))
        over += [work for work, _ in self._publications.drop(lambda item: not self._ledger.is_ours(item[0].place))]
        for work in over:
            self._discard(work)

    def close(self) -> None:
        """Stop the processor; answers that come from now on change nothing."""
        self._is_closed = True
        self._processor.close()

    def _attempt(self, work: _Work) -> None:
        work.attempts += 1
        if work.counted_from is None:
            work.counted_from = time.monotonic()
        answer = partial(self._answered, work, work.attempts)
        try:
            self._processor.start(work.message, answer)
        except Exception as error:  # the same as answering with it
            answer(error)

    def _answered(self, work: _Work, attempt: int, answer: Answer) -> None:
        """Publish what came of a message, or leave the answer to the runner's thread. Called by any thread."""
        if self._is_closed:
            return
        if work.answered >= attempt:
            answer = RuntimeError(f"attempt {attempt} was answered twice, the second time with {answer!r}")
        work.answered = attempt
        # What a lost partition still yields is published by the new owner.
        if isinstance(answer, Done) and answer.publications and self._ledger.is_ours(work.place):
            self._publish(work, *answer.publications)
        else:
            self._news.put(_Answered(work, answer))

    def _publish(self, work: _Work, *publications: Publication) -> None:
        work.round += 1
        work.unstored = len(publications)
        for publication in publications:
            self._send(work, publication)

    def _send(self, work: _Work, publication: Publication) -> None:
        done = partial(self._stored, work, publication, work.round)
        try:
            self._producer.send(publication, done)
        except Exception as error:  # the same as being told of it
            done(error)

    def _stored(self, work: _Work, publication: Publication, publishing_round: int, error: Exception | None) -> None:
        self._news.put(_Stored(work, publication, publishing_round, error))

    def _deal_with(self, news: _Answered | _Stored) -> None:
        work = news.work
        if not self._ledger.is_ours(work.place):
            self._discard(work)
        elif isinstance(news, _Stored):
            self._deal_with_stored(news)
        elif isinstance(news.answer, Done):
            self._finish(work)
        elif isinstance(news.answer, Unavailable):
            self._service.began(work, news.answer)
            work.counted_from = None
            self._try_again(work, news.answer, self._away_backoff)
        else:
            self._service.over(work)
            self._deal_with_failure(work, news.answer)

    def _deal_with_failure(self, work: _Work, error: BaseException) -> None:
        if isinstance(error, Transient):
            now = time.monotonic()
            work.failing_seconds += now - (work.counted_from or now)
            work.counted_from = now
            left = self._settings.retry_total_seconds - work.failing_seconds
            if left > 0:
                self._try_again(work, error, self._backoff, left)
            else:
                self._reject(work, _gave_up(work, error))
        elif isinstance(error, Rejected):
            self._reject(work, error)
        else:
            _stop(work, error)

    def _try_again(self, work: _Work, error: Transient, backoff: Backoff, most_seconds: float = float("inf")) -> None:
        work.failures += 1
        pause_seconds = min(most_seconds, backoff.seconds(work.failures, self._chance))
        self._attempts.add(time.monotonic() + pause_seconds, work)
        self._observer.retried(work.message.partition.topic, type(error).__name__)

    def _deal_with_stored(self, news: _Stored) -> None:
        work, error = news.work, news.error
        if news.round != work.round:
            return
        if error is None:
            work.unstored -= 1
            if work.unstored == 0:
                self._finish(work)
        elif isinstance(error, Transient):
            self._publishing.began(work, error)
            work.failures += 1
            pause_seconds = self._away_backoff.seconds(work.failures, self._chance)
            self._publications.add(time.monotonic() + pause_seconds, (work, news.publication))
        elif isinstance(error, Rejected) and work.rejection is None:
            self._reject(work, error)
        elif isinstance(error, Rejected) and not work.letter_is_short:
            self._send_letter(work, short=True)
        else:
            _stop(work, error)

    def _reject(self, work: _Work, error: Rejected) -> None:
        self._share.rejected(error)
        work.rejection = error
        self._observer.rejected(work.message.partition.topic, error.reason)
        log.warning("Rejected %s as %s: %s", work.message.origin, error.reason, error)
        self._send_letter(work, short=False)

    def _send_letter(self, work: _Work, short: bool) -> None:
        """`short`: without the original, because with it the letter is too large for its topic."""
        assert work.rejection is not None
        work.letter_is_short = short
        letter = dead_letter(work.message, work.rejection, work.attempts, with_original=not short)
        self._publish(work, letter_publication(self._dead_letter_topic, work.message, letter))

    def _finish(self, work: _Work) -> None:
        if not self._ledger.finish(work.place):
            self._discard(work)
            return
        self._held.discard(work)
        self._service.over(work)
        self._publishing.over(work)
        if work.rejection is None:
            self._share.passed()
        self._observer.finished(work.message.partition.topic, time.monotonic() - work.received_at)

    def _discard(self, work: _Work) -> None:
        if work in self._held:
            self._held.remove(work)
            self._service.forget(work)
            self._publishing.forget(work)
            self._observer.discarded(work.message.partition.topic)


def _gave_up(work: _Work, error: Transient) -> GaveUp:
    rejection = GaveUp(
        f"gave up after {work.attempts} attempts in {work.failing_seconds:.1f} s, at last because of: {error}; when "
        "the cause is gone, bring it back with `rungwatch replay`",
        "".join(traceback.format_exception(error)),
    )
    rejection.__cause__ = error
    return rejection


def _stop(work: _Work, error: BaseException) -> None:
    if isinstance(error, RungwatchError):  # its message says what to do
        error.add_note(f"while working on {work.message.origin}, which is not committed")
        raise error
    raise Bug(
        f"work on {work.message.origin} failed with {type(error).__name__}: {error}; it is not committed, and would "
        "fail again: report this with the stack, and start with a version that is repaired"
    ) from error
