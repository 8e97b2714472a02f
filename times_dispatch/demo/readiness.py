"""Waits until a server or a process of the demo is ready."""

import time
from collections.abc import Callable


def is_ready_within(
    timeout_s: float,
    is_ready: Callable[[], bool],
    *,
    not_yet: tuple[type[Exception], ...] = (),
    every_s: float = 0.02,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Ask until the answer is yes; return False if there is no such answer in time. Any other error is raised.

    Args:
        timeout_s: how long to ask, in seconds; the first question is asked in any case.
        is_ready: asks once.
        not_yet: errors of a question that mean no.
        every_s: the time between two questions, in seconds.
        monotonic: the clock of the time-out.
        sleep: waits between two questions.
    """
    until = monotonic() + timeout_s
    while not _is_yes(is_ready, not_yet):
        if monotonic() >= until:
            return False
        sleep(every_s)
    return True


def _is_yes(is_ready: Callable[[], bool], not_yet: tuple[type[Exception], ...]) -> bool:
    try:
        return is_ready()
    except not_yet:
        return False
