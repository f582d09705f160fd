"""What /proc says of other processes."""

from pathlib import Path


def has_ended(process: int) -> bool:
    """Return whether it is gone, or waits for nothing but a parent to ask how it ended."""
    try:
        return "State:\tZ" in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def descendants(process: int) -> list[int]:
    own = [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return [*own, *(further for one in own for further in descendants(one))]
