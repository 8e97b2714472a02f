import asyncio
from typing import Any

from tests.kit.clock import FakeClock
from times_dispatch.http_server.refusal_log import SUMMARY_EVERY_S, RefusalLog


async def test_the_first_refusal_of_a_kind_is_logged_and_the_others_are_counted_in_one_line(lines: list[Any]) -> None:
    clock, stop, refusals = FakeClock(), asyncio.Event(), RefusalLog()
    running = asyncio.create_task(refusals.run(stop, clock=clock))
    for _ in range(1000):
        refusals.warning("unknown secret", answered=404)
        refusals.warning("no HTTP")
    assert [line["event"] for line in lines] == ["unknown secret", "no HTTP"]
    await clock.advance(SUMMARY_EVERY_S)
    assert lines[2:] == [
        {
            "event": "more requests were refused",
            "requests": {"unknown secret": 999, "no HTTP": 999},
            "log_level": "warning",
        }
    ]
    refusals.warning("no HTTP")
    await clock.advance(SUMMARY_EVERY_S)
    assert [line["event"] for line in lines[3:]] == ["no HTTP"]
    stop.set()
    await asyncio.wait_for(running, 30)
