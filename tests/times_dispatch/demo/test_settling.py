from typing import Any

import pytest

from tests.kit.clock import FakeClock
from times_dispatch.demo.settling import OnTheirWay, wait_until_settled

START_S = 1_000.0


def coming(*, reports: int = 0, clicks: int = 0, posts: int = 0, applied: int = 0) -> OnTheirWay:
    return OnTheirWay(reports=reports, clicks=clicks, posts=posts, applied=applied)


async def settle(at: Any) -> tuple[OnTheirWay, float]:
    """Wait, with what *at* returns for each second since the start; return the result and the seconds."""
    clock = FakeClock(now=START_S, auto=True)

    async def look() -> OnTheirWay:
        seen: OnTheirWay = at(clock.monotonic() - START_S)
        return seen

    return await wait_until_settled(look, clock=clock), clock.monotonic() - START_S


@pytest.mark.parametrize("kind", ["reports", "clicks", "posts"])
async def test_the_wait_lasts_as_long_as_something_is_on_its_way_and_numbers_change(kind: str) -> None:
    rest, seconds = await settle(lambda second: coming(**{kind: max(0, 300 - int(second))}))
    assert rest.is_empty
    assert seconds == pytest.approx(300, abs=1)


async def test_a_backlog_of_the_same_length_that_reconcilers_work_on_is_waited_for() -> None:
    rest, seconds = await settle(
        lambda second: coming(posts=7 if second < 200 else 0, applied=int(min(second, 200) / 10))
    )
    assert rest.is_empty
    assert seconds == pytest.approx(200, abs=1)


async def test_numbers_that_stand_still_for_a_minute_end_the_wait() -> None:
    rest, seconds = await settle(lambda second: coming(clicks=max(5, 100 - int(second))))
    assert str(rest) == "5 clicks"
    assert seconds == pytest.approx(95 + 60, abs=1.5)


async def test_numbers_that_never_rest_end_the_wait_after_a_quarter_of_an_hour() -> None:
    rest, seconds = await settle(lambda second: coming(reports=1, posts=2, applied=int(second)))
    assert str(rest) == "1 report, 2 posts to be applied"
    assert seconds == pytest.approx(900, abs=1)


async def test_nothing_on_its_way_is_not_waited_for() -> None:
    assert await settle(lambda _second: coming(applied=20_000)) == (coming(applied=20_000), 0)
