from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from producers.cli.watch import follow
from producers.draft import Draft
from producers.submit import submit
from tests.kit.clock import FakeClock
from tests.kit.producers import Run
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState
from times_dispatch.settings.model import Settings


class PolledQueries(Queries):
    """Calls a function before each poll, given the number of polls so far."""

    def __init__(self, redis: Redis, before_poll: Callable[[int], object] = lambda _: None) -> None:
        super().__init__(redis)
        self.polls = 0
        self._before_poll = before_poll

    async def campaign(self, campaign: CampaignId) -> CampaignView:
        self._before_poll(self.polls)
        self.polls += 1
        return await super().campaign(campaign)


@pytest.fixture
async def running(campaign: Path, recipients: Path, settings: Settings, redis: Redis) -> CampaignId:
    """A campaign that nobody sends."""
    return (await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)).campaign


async def test_a_campaign_is_polled_twice_a_second_until_the_timeout(running: CampaignId, redis: Redis) -> None:
    queries, clock = PolledQueries(redis), FakeClock(auto=True)

    view = await follow(queries, running, timeout_s=3, clock=clock)

    assert view.state is CampaignState.RUNNING
    assert clock.slept == [0.5] * 7
    assert queries.polls == 8


async def test_watching_ends_with_the_campaign(running: CampaignId, redis: Redis) -> None:
    queries, clock = PolledQueries(redis), FakeClock(auto=True)
    sender = await queries.sender_of(running)
    await Control(redis).campaign(sender, running, ControlAction.CANCEL)

    view = await follow(queries, running, timeout_s=0, clock=clock)

    assert view.state is CampaignState.CANCELLED
    assert clock.slept == []


async def test_without_a_terminal_a_line_is_printed_every_two_seconds(
    running: CampaignId, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    await follow(Queries(redis), running, timeout_s=5, clock=FakeClock(auto=True))

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3  # after 2 s, after 4 s, and at the end
    assert all("25 sent" in line for line in lines)


@pytest.mark.parametrize("seconds", ["nan", "inf"])
def test_a_timeout_must_be_a_finite_number(run: Run, submitted: str, seconds: str) -> None:
    refused = run("watch", submitted, "--timeout", seconds)
    assert refused.exit_code == 2
    assert "is not a finite number" in refused.stderr
