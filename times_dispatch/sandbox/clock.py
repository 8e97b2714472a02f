"""One clock for the books: it never steps back, and reads as time since the epoch."""

import time

_OFFSET_NS = time.time_ns() - time.monotonic_ns()


def now_ns() -> int:
    """Read the time in ns since the epoch; steps of the system's clock after the start are not followed."""
    return time.monotonic_ns() + _OFFSET_NS


def seconds(at_ns: int) -> float:
    """Turn ns since the epoch into seconds."""
    return at_ns / 1e9
