"""The timestamps of the books, which never decrease, and count from the epoch."""

import time

_OFFSET_NS = time.time_ns() - time.monotonic_ns()


def now_ns() -> int:
    """Return the time in ns since the epoch; changes of the host's clock after the start have no effect."""
    return time.monotonic_ns() + _OFFSET_NS


def seconds(at_ns: int) -> float:
    """Convert ns since the epoch into seconds."""
    return at_ns / 1e9
