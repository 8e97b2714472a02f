"""The run of a process: it opens its resources in order, runs its loops until a signal, and closes all resources.

Open the resources with ``async with`` around ``run_until_signalled``. Then the resources are closed in reverse order
after the loops have ended:

    async with connect(settings.redis_url) as redis:
        await run_until_signalled(Reconciler(redis, …).run, Relay(redis, …).run)

A Celery worker is the exception: Celery handles its signals and starts its parts (``workers/process.py``).
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from signal import SIGINT, SIGTERM
from typing import Final

import structlog

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.process_refused import REFUSED_EXIT_CODE, ProcessRefused

log = structlog.get_logger(__name__)

STOP_WITHIN_S: Final = 4.0
GARBAGE_EVERY_S: Final = 30.0
"""How many seconds pass between two full garbage collections of a process whose automatic collections are rare."""
MAX_LEFT_OUT: Final = 20
"""The maximum number of consecutive garbage collections that a busy process leaves out: ten minutes without one."""

Run = Callable[[asyncio.Event], Awaitable[None]]
"""A loop: runs until the event (the stop) is set, then finishes the work in progress and returns."""


def on_signal(stop: Callable[[], object]) -> None:
    """Call *stop* on the running event loop when the process gets SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    for signal in (SIGTERM, SIGINT):
        loop.add_signal_handler(signal, stop)


async def run_until_signalled(*runs: Run, stop_within_s: float = STOP_WITHIN_S, clock: Clock = SYSTEM_CLOCK) -> None:
    """Run several loops at the same time until SIGTERM or SIGINT, or until one loop ends by itself.

    Args:
        runs: the loops; all get the same stop event.
        stop_within_s: a loop that has not ended this many seconds after the stop is cancelled.
        clock: the clock that measures the time of the stop.

    Raises:
        ExceptionGroup: a loop raised an error; the other loops are then cancelled.
        SystemExit: a loop raised ``ProcessRefused``; the other loops have ended as after a signal, and the message was
            printed on stderr.
    """
    stop, refusals = asyncio.Event(), list[ProcessRefused]()
    on_signal(stop.set)

    async def run_one(run: Run) -> None:
        try:
            await run(stop)
        except ProcessRefused as refused:
            refusals.append(refused)
        finally:
            stop.set()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run_one(run)) for run in runs]
        await stop.wait()
        try:
            async with clock.timeout(stop_within_s):
                await asyncio.wait(tasks)
        except TimeoutError:
            log.warning("loops that did not end after the stop are cancelled", after_s=stop_within_s)
            for task in tasks:
                task.cancel()
    if refusals:
        sys.stderr.write(f"{refusals[0]}\n")
        raise SystemExit(REFUSED_EXIT_CODE)


async def collect_garbage(
    stop: asyncio.Event,
    *,
    threshold: tuple[int, int, int],
    is_busy: Callable[[], bool] = lambda: False,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Make automatic garbage collections rare, and collect all garbage every ``GARBAGE_EVERY_S`` seconds instead.

    Automatic collections count objects, and not bytes: they alone would leave the cycles of closed streams and of lost
    connections in memory for hours. Call ``gc.freeze`` before, so that a collection does not scan all loaded modules.

    Args:
        stop: ends the loop.
        threshold: the arguments of ``gc.set_threshold``; the earlier values are set again at the end.
        is_busy: returns whether a collection would take long now, because many requests are under way. Then the
            collection is left out, at most ``MAX_LEFT_OUT`` times.
        clock: measures the time between collections.
    """
    before = gc.get_threshold()
    gc.set_threshold(*threshold)
    try:
        left_out = 0
        while not await clock.wait(stop, GARBAGE_EVERY_S):
            if left_out < MAX_LEFT_OUT and is_busy():
                left_out += 1
            else:
                left_out = 0
                gc.collect()
    finally:
        gc.set_threshold(*before)
