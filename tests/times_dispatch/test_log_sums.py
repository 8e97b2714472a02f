import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from itertools import pairwise

import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict, WrappedLogger

from tests.kit.clock import JumpingLoop
from times_dispatch.log_sums import LogSums

EVERY_S = 0.2

log = structlog.get_logger(__name__)


def without_waits(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """Run a test on an event loop that waits for no timer."""

    @wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(test())

    return run


@without_waits
async def test_thirty_lines_a_second_become_one_line_in_each_interval_and_their_numbers_stay() -> None:
    sums = LogSums(log, every_s=EVERY_S)
    times: list[float] = []
    loop = asyncio.get_running_loop()

    def note_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        times.append(loop.time())
        return event

    with capture_logs(processors=[note_time]) as lines:
        for _ in range(30):
            sums.info("reports reconciled", applied=3)
            await asyncio.sleep(0.02)
        await asyncio.sleep(EVERY_S)
    assert sum(line["applied"] for line in lines) == 90
    assert sum(line.get("lines", 1) for line in lines) == 30
    assert all(later - earlier >= EVERY_S * 0.9 for earlier, later in pairwise(times))


async def test_a_line_of_another_kind_is_logged_at_once() -> None:
    sums = LogSums(log, every_s=60)
    with capture_logs() as lines:
        sums.error("provider braked", provider="a", reason="wrong password")
        sums.error("provider braked", provider="b", reason="wrong password")
        sums.error("provider braked", provider="a", reason="wrong password")
        sums.info("provider braked", provider="a", reason="wrong password")
    assert [(line["provider"], line["log_level"]) for line in lines] == [("a", "error"), ("b", "error"), ("a", "info")]


async def test_held_back_numbers_are_logged_at_the_end_of_a_process() -> None:
    sums = LogSums(log, every_s=60)
    with capture_logs() as lines:
        for _ in range(3):
            sums.info("reports reconciled", applied=2)
        sums.flush()
        sums.flush()
    assert [(line["applied"], line.get("lines")) for line in lines] == [(2, None), (4, 2)]


@without_waits
async def test_a_line_after_a_quiet_interval_is_logged_at_once() -> None:
    sums = LogSums(log, every_s=0.01)
    with capture_logs() as lines:
        sums.info("reports reconciled", applied=1)
        await asyncio.sleep(0.05)
        sums.info("reports reconciled", applied=1)
    assert [line["applied"] for line in lines] == [1, 1]
