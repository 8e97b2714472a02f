"""Waits until a server or a process of the demo is ready."""

import time
from collections.abc import Callable
from typing import NamedTuple

from times_dispatch.demo.processes import Process, ProcessFailed


class StartLimits(NamedTuple):
    """How long the start of a process may take, in seconds.

    A start uses some seconds of CPU time for imports, and on a busy machine these seconds take minutes. So a process
    that uses CPU time may go on, and a process that waits for something that does not come ends the wait soon.
    """

    idle_s: float = 40.0
    """How long the process may use less CPU time than ``progress_cpu_s``."""
    max_s: float = 600.0
    """How long the start may take in any case."""
    progress_cpu_s: float = 0.5


def wait_until_started(
    process: Process,
    why_not_ready: Callable[[], str],
    *,
    limits: StartLimits = StartLimits(),  # noqa: B008  # a NamedTuple, which nobody changes
    every_s: float = 0.05,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Ask until a process is ready.

    Args:
        process: the process, which was started.
        why_not_ready: asks once; returns an empty text if the process is ready, or why it is not.
        limits: how long the start may take.
        every_s: the time between two questions, in seconds.
        monotonic: the clock of the limits.
        sleep: waits between two questions.

    Raises:
        ProcessFailed: the process ended, or reached one of the limits.
    """
    began = progress_at = monotonic()
    progress_cpu_s = 0.0
    while True:
        process.check()
        if not (reason := why_not_ready()):
            return
        now, cpu_s = monotonic(), process.cpu_s
        if cpu_s is None or cpu_s - progress_cpu_s >= limits.progress_cpu_s:
            progress_at, progress_cpu_s = now, cpu_s or 0.0
        if now - progress_at >= limits.idle_s or now - began >= limits.max_s:
            used = "" if cpu_s is None else f", of which it used the CPU for {cpu_s:.1f} s"
            waited = f"{process.name} was not ready after {now - began:.0f} s{used}"
            raise ProcessFailed(f"{waited}; {reason}:\n{process.log_tail()}")
        sleep(every_s)


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
