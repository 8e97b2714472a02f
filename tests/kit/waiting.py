"""Waits for a condition that another thread or process fulfils."""

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], object], what: str = "the condition", *, within_s: float = 120.0, every_s: float = 0.2
) -> None:
    """Return when the condition holds; fail after *within_s* seconds.

    Args:
        condition: what is waited for.
        what: its name in the failure.
        within_s: how long it is waited for, in seconds; generous, so that a busy machine fails no test.
        every_s: how often it is looked at, in seconds.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {within_s:g} s for {what}"
        time.sleep(every_s)
