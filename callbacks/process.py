"""How a process of this room starts and stops."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from signal import SIGINT, SIGTERM
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

STOP_WITHIN_S: Final = 4.0
"""What is under way gets so long to end once the process is told to stop."""


async def run_until_signalled(tasks: Callable[[asyncio.Event], Sequence[Coroutine[Any, Any, None]]]) -> None:
    """Run coroutines, made from a stop event that SIGTERM and SIGINT set, to their end.

    What has not ended ``STOP_WITHIN_S`` after the signal is cut off.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    try:
        async with asyncio.timeout(None) as limit:

            def stop_now() -> None:
                if not stop.is_set():
                    stop.set()
                    limit.reschedule(loop.time() + STOP_WITHIN_S)

            for signal in (SIGTERM, SIGINT):
                loop.add_signal_handler(signal, stop_now)
            async with asyncio.TaskGroup() as group:
                for task in tasks(stop):
                    group.create_task(task)
    except TimeoutError:
        log.warning("stopped in the middle of a step; what it held is claimed by others", after_s=STOP_WITHIN_S)
