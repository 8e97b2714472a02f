"""Waits for a condition that another thread or process fulfils."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], *, every_s: float = 0.2) -> None:
    """Return when the condition holds; fail after two minutes.

    Args:
        condition: what is waited for.
        every_s: how often it is looked at, in seconds.
    """
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(every_s)
