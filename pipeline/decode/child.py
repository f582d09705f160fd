"""The inside of an isolated process: runs jobs, streams results back, and takes its limits seriously.

Started by `pipeline.decode.isolate`; speaks pickles over the socket that it inherits.

    parent -> child   Setup, then for each job: the job itself, and More (credit for one result) or Stop
    child -> parent   Ready, then for each job: Begun, Result..., and one of Done, Refused, OutOfMemory, Bug
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from pipeline.errors import Rejected

# Decoding writes no files; what a runaway library may write all the same stays this small.
MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Setup:
    """First of all: how to find the code, what to run, and how much memory it may take."""

    import_path: list[str]
    target: bytes
    """Pickled reference to the function."""
    max_memory_bytes: int


@dataclass(frozen=True, slots=True)
class Ready:
    pass


@dataclass(frozen=True, slots=True)
class Job:
    job: Any
    credits: int
    """Results that may be under way before the parent has taken one."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The job has arrived: whatever ends the process from here on is put down to the job."""


@dataclass(frozen=True, slots=True)
class More:
    """The parent has taken a result: one more may be made."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The parent wants no more of this job."""


@dataclass(frozen=True, slots=True)
class Result:
    value: Any


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class Refused:
    """A `Rejected`, by its reason."""

    reason: str
    message: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The process is worn out: its heap is full of holes."""

    trace: str


@dataclass(frozen=True, slots=True)
class Bug:
    """Any other exception; it stops the program, in the parent."""

    error: bytes
    """Pickled, empty where it cannot be."""
    trace: str


Ending = Done | Refused | OutOfMemory | Bug


def main(descriptor: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    faulthandler.enable()
    threading.Thread(target=_die_with_parent, daemon=True).start()
    connection: Connection[Any, Any] = Connection(descriptor)
    setup: Setup = connection.recv()
    sys.path[:] = setup.import_path
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    target: Callable[[Any], Iterable[Any]] = pickle.loads(setup.target)
    resource.setrlimit(resource.RLIMIT_AS, (setup.max_memory_bytes, setup.max_memory_bytes))
    connection.send(Ready())
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        if isinstance(message, Job):
            connection.send(Begun())
            ending = _run(target, message, connection)
            connection.send(ending)
            if isinstance(ending, OutOfMemory):
                return


def _run(target: Callable[[Any], Iterable[Any]], job: Job, connection: Connection[Any, Any]) -> Ending:
    credit = job.credits
    results = None
    try:
        results = iter(target(job.job))
        while True:
            while credit == 0 or connection.poll():
                if isinstance(connection.recv(), Stop):
                    return Done()
                credit += 1
            try:
                value = next(results)
            except StopIteration:
                return Done()
            connection.send(Result(value))
            credit -= 1
            del value
    except Rejected as exc:
        return Refused(exc.reason, str(exc), exc.detail)
    except MemoryError:
        return OutOfMemory(traceback.format_exc(limit=20))
    except Exception as exc:  # handed on whole, and raised in the parent
        return Bug(_pickled(exc), traceback.format_exc())
    finally:
        if close := getattr(results, "close", None):
            close()


def _pickled(error: Exception) -> bytes:
    try:
        raw = pickle.dumps(error)
        pickle.loads(raw)
    except Exception:  # exceptions of any library may refuse
        return b""
    return raw


def _die_with_parent() -> None:
    """End with the parent, whatever the main thread is busy with: stdin closes when the parent is gone."""
    while os.read(0, 1):
        pass
    os._exit(0)
