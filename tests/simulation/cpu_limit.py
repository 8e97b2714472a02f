"""The limit of a run, in CPU time: a busy machine makes a run longer, but does not use up its limit."""

import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_PARTS = 10
"""How often the virtual time is noted within the limit."""
_FRAMES = 12


@contextmanager
def cpu_limit(
    limit_s: float, *, virtual_s: Callable[[], float], describe: Callable[[], str], end: Callable[[str], NoReturn]
) -> Iterator[None]:
    """End the run inside the context when this process has used its CPU time.

    Args:
        limit_s: the CPU time, in seconds.
        virtual_s: returns the virtual time.
        describe: returns what the run waits for.
        end: ends the process; called with a text that says whether virtual time stood still, what the run waits for,
            and which code was running.
    """
    began_s, step_s = time.process_time(), limit_s / _PARTS
    noted_s = virtual_s()

    def look(_number: int, frame: FrameType | None) -> None:
        nonlocal noted_s
        before_s, noted_s = noted_s, virtual_s()
        used_s = time.process_time() - began_s
        if used_s < limit_s:
            return
        passed = f"virtual time went on from {before_s:,.1f} s to {noted_s:,.1f} s"
        course = passed if noted_s > before_s else f"virtual time stood still at {noted_s:,.1f} s"
        running = "".join(traceback.format_stack(frame)[-_FRAMES:]) if frame else ""
        end(
            f"no end within {limit_s:g} s of CPU time; in the last {step_s:g} s of them {course}\n"
            f"{describe()}\nThis code was running:\n{running}"
        )

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, step_s, step_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
