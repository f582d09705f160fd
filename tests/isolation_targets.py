"""What isolated processes are made to do in tests: behave, crash, hang, explode."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.errors import Encrypted


def act(job: tuple[str, Any]) -> Iterator[Any]:
    """Do what `job` says: (verb, argument)."""
    verb, argument = job
    yield from ACTIONS[verb](argument)


def _count(to: int) -> Iterator[tuple[int, int]]:
    for number in range(to):
        yield number, os.getpid()


def _count_in_a_file(job: tuple[int, str]) -> Iterator[int]:
    to, path = job
    for number in range(to):
        with open(path, "ab") as file:  # noqa: PTH123
            file.write(b".")
        yield number


def _segfault(after: int) -> Iterator[int]:
    yield from range(after)
    ctypes.string_at(0)


def _killed(_: Any) -> Iterator[int]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield 0


def _leave(code: int) -> Iterator[int]:
    os._exit(code)
    yield 0


def _hang(after: int) -> Iterator[int]:
    yield from range(after)
    time.sleep(600)


def _explode(mebibytes: int) -> Iterator[int]:
    yield int(np.ones(mebibytes << 20, np.uint8)[-1])


def _refuse(message: str) -> Iterator[int]:
    raise Encrypted(message, "the details")
    yield 0


def _bug(message: str) -> Iterator[int]:
    yield 0
    raise ZeroDivisionError(message)


def _chatter(text: str) -> Iterator[int]:
    os.write(1, text.encode())
    os.write(2, text.encode())
    yield 1
    os.abort()


def _write_file(path: str) -> Iterator[str]:
    try:
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(bytes(64 << 20))
        yield "written"
    except OSError as exc:
        yield type(exc).__name__


def _modules(_: Any) -> Iterator[list[str]]:
    yield sorted(sys.modules)


ACTIONS = {
    "count": _count,
    "count_in_a_file": _count_in_a_file,
    "segfault": _segfault,
    "killed": _killed,
    "leave": _leave,
    "hang": _hang,
    "explode": _explode,
    "refuse": _refuse,
    "bug": _bug,
    "chatter": _chatter,
    "write_file": _write_file,
    "modules": _modules,
}
