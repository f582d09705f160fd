"""Runs a function in processes that may crash, hang or explode without taking this one along.

A pool knows nothing of media: the function takes a job and yields results; all of it crosses as pickles.
Processes live over many jobs, and are replaced when they die.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pipeline.decode import child
from pipeline.errors import REJECTIONS, DecoderFailed, LimitExceeded, Rejected

if TYPE_CHECKING:
    from pipeline.settings import DecodeLimits

J = TypeVar("J")
R = TypeVar("R")

_AHEAD = 2
_START_SECONDS = 60.0
_STOP_SECONDS = 2.0
_DETAIL_BYTES = 4096
_ENVIRONMENT = {
    # one process is one thread's worth of work, and every thread pool costs address space
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}

_CODE = str(Path(__file__).resolve().parents[2])


class IsolatedPool(Generic[J, R]):
    """N processes that each run `target` on one job at a time. Threads may submit at the same time."""

    def __init__(
        self,
        target: Callable[[J], Iterable[R]],
        processes: int,
        limits: DecodeLimits,
        describe: Callable[[J], str] = str,
    ) -> None:
        """`target` is a top-level function; `describe` names a job in error messages. All processes start at once."""
        self._setup = child.Setup(list(sys.path), pickle.dumps(target), limits.max_memory_bytes)
        self._limits = limits
        self._describe = describe
        self._changed = threading.Condition()
        self._idle = [_Process(self._setup) for _ in range(processes)]
        self._at_work: set[_Process] = set()
        self._closed = False

    def __enter__(self) -> IsolatedPool[J, R]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, job: J) -> Stream[R]:
        """Start a job on a free process; blocks while none is free. Read the stream to its end, or close it."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._closed)
            if self._closed:
                raise RuntimeError("the pool is closed")
            process = self._idle.pop()
            self._at_work.add(process)
        message = child.Job(job, _AHEAD)
        try:
            if not process.begin(message):  # died while idle: no job is to blame
                process = self._replaced(process)
                if not process.begin(message):
                    raise RuntimeError(f"a decoder process did not start: {process.last_words()}")
        except BaseException:
            process.is_usable = False
            self.give_back(process)
            raise
        return Stream(self, process, self._describe(job), self._limits)

    def close(self) -> None:
        """End all processes, also those at work."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            for process in self._at_work:
                process.kill()  # its stream meets the end of it, and gives it back
            self._changed.notify_all()
        for process in idle:
            process.end()

    def _replaced(self, process: _Process) -> _Process:
        process.end()
        with self._changed:
            self._at_work.discard(process)
            fresh = _Process(self._setup)
            self._at_work.add(fresh)
        return fresh

    def give_back(self, process: _Process) -> None:
        """Take a process out of a stream's hands; a dead one is replaced at once."""
        if not process.is_usable:
            process.end()
        with self._changed:
            self._at_work.discard(process)
            if self._closed:
                process.end()
                return
            if process.is_usable:
                self._idle.append(process)
            else:
                self._idle.insert(0, _Process(self._setup))  # taken last: it takes a second to start
            self._changed.notify()


class Stream(Iterator[R]):
    """The results of one job, made while they are read, at most two ahead.

    Raises, in place of the next result: the `Rejected` that the function raised; DecoderFailed where the process
    crashed or gave nothing for `max_seconds`; LimitExceeded where it ran out of memory; any other exception as it
    was, with the process's own traceback as its cause.
    """

    def __init__(self, pool: IsolatedPool[Any, R], process: _Process, name: str, limits: DecodeLimits) -> None:
        self._pool, self._process, self._name, self._limits = pool, process, name, limits
        self._open = True

    def __enter__(self) -> Stream[R]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __next__(self) -> R:
        if not self._open:
            raise StopIteration
        try:
            message = self._process.receive(self._limits.max_seconds)
        except TimeoutError:
            raise self._failed(f"gave no result for {self._limits.max_seconds:g} s and was ended") from None
        except (EOFError, OSError):
            raise self._failed(f"died ({self._process.cause_of_death()})") from None
        except BaseException:
            self._kill()
            raise
        if isinstance(message, child.Result):
            self._process.send(child.More())
            value: R = message.value
            return value
        if isinstance(message, child.OutOfMemory):
            self._process.is_usable = False
        self._release()
        if isinstance(message, child.Done):
            raise StopIteration
        raise self._rebuilt(message)

    def close(self) -> None:
        """Give up the job. The process is kept where it stops by itself, and replaced where it does not."""
        if not self._open:
            return
        try:
            self._process.send(child.Stop())
            while isinstance(self._process.receive(_STOP_SECONDS), child.Result):
                pass
        except (TimeoutError, EOFError, OSError):
            self._process.is_usable = False
        self._release()

    def _rebuilt(self, message: Any) -> Exception:
        if isinstance(message, child.Refused):
            return REJECTIONS.get(message.reason, Rejected)(message.message, message.detail)
        if isinstance(message, child.OutOfMemory):
            return LimitExceeded(
                f"{self._name}: decoding needs more than {self._limits.max_memory_bytes // 2**20} MiB of memory; "
                "raise RUNGWATCH_DECODE_MAX_MEMORY_BYTES if this is meant",
                message.trace,
            )
        error: Exception = pickle.loads(message.error) if message.error else RuntimeError("in an isolated process")
        error.__cause__ = RemoteTracebackError(message.trace)
        return error

    def _failed(self, what: str) -> DecoderFailed:
        detail = self._process.last_words()
        self._kill()
        return DecoderFailed(f"{self._name}: the decoder {what}; it was replaced, and other work goes on", detail)

    def _kill(self) -> None:
        self._process.is_usable = False
        self._release()

    def _release(self) -> None:
        self._open = False
        self._pool.give_back(self._process)


class RemoteTracebackError(Exception):
    """The traceback of an exception in the process where it was raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class _Process:
    """One child process and the line to it."""

    def __init__(self, setup: child.Setup) -> None:
        ours, theirs = socket.socketpair()
        self._errors = os.memfd_create("rungwatch-decoder", os.MFD_CLOEXEC)
        fcntl.fcntl(self._errors, fcntl.F_SETFL, os.O_APPEND)
        code = f"from pipeline.decode.child import main; main({theirs.fileno()})"
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,  # never written to: it closes when this process ends
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": _CODE},
            )
        self._line: Connection[Any, Any] = Connection(ours.detach())
        self._ready = False
        self.is_usable = True
        with contextlib.suppress(OSError):  # a process that died at once is met when it gets its first job
            self._line.send(setup)

    def begin(self, job: child.Job) -> bool:
        """Hand over a job; False: the process is gone or did not start, and the job has not been touched."""
        try:
            if not self._ready:
                self.receive(_START_SECONDS)
                self._ready = True
            os.ftruncate(self._errors, 0)
            self._line.send(job)
            self.receive(_START_SECONDS)  # Begun: a dying process may take the message and never read it
        except (TimeoutError, EOFError, OSError):
            return False
        return True

    def send(self, message: child.More | child.Stop) -> None:
        with contextlib.suppress(OSError):  # where it died, the next receive says so
            self._line.send(message)

    def receive(self, timeout_seconds: float) -> Any:
        """Raises TimeoutError, and EOFError or OSError where the process is gone."""
        if not self._line.poll(timeout_seconds):
            raise TimeoutError
        return self._line.recv()

    def cause_of_death(self) -> str:
        try:
            code = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed its line"
        if code >= 0:
            return f"exit code {code}"
        hint = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
        return signal.Signals(-code).name + hint

    def last_words(self) -> str | None:
        """Return the end of what it wrote to stderr; None: nothing."""
        size = os.fstat(self._errors).st_size
        text = os.pread(self._errors, _DETAIL_BYTES, max(0, size - _DETAIL_BYTES)).decode("utf-8", "replace").strip()
        return text or None

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """Kill the process and free what belongs to it; may be called twice."""
        self.is_usable = False
        if self._errors < 0:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._line.close()
        os.close(self._errors)
        self._errors = -1
