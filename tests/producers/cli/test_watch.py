import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from producers.cli.watch import follow
from producers.draft import Draft
from producers.submit import submit
from tests.kit.clock import FakeClock
from tests.kit.producers import CAMPAIGN, Run, WriteFile, csv_of, people
from times_dispatch.ledger.connection import address_of, connect
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef, CampaignId, CampaignView, SenderId
from times_dispatch.ledger.openings import Block, new_operation
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
    """A running campaign that no worker sends."""
    return (await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)).campaign


async def test_a_campaign_is_polled_twice_a_second_until_the_timeout(running: CampaignId, redis: Redis) -> None:
    queries, clock = PolledQueries(redis), FakeClock(auto=True)

    [view] = await follow(queries, [running], timeout_s=3, clock=clock)

    assert view.state is CampaignState.RUNNING
    assert clock.slept == [0.5] * 7
    assert queries.polls == 8


async def test_watching_ends_with_the_campaign(running: CampaignId, redis: Redis) -> None:
    queries, clock = PolledQueries(redis), FakeClock(auto=True)
    sender = await queries.sender_of(running)
    await Control(redis).campaign(sender, running, ControlAction.CANCEL)

    [view] = await follow(queries, [running], timeout_s=0, clock=clock)

    assert view.state is CampaignState.CANCELLED
    assert clock.slept == []


async def test_without_a_terminal_a_line_is_printed_only_after_a_change(
    running: CampaignId, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    sender = await Queries(redis).sender_of(running)
    with SyncRedis.from_url("redis://" + address_of(redis)) as other:
        queries = PolledQueries(
            redis, lambda poll: other.hset(f"{{{sender}}}:c:{running}", "reason", "by hand") if poll == 20 else None
        )
        await follow(queries, [running], timeout_s=20, clock=FakeClock(auto=True))

    assert capsys.readouterr().out.splitlines() == ["0/25 sent (0 %)", "0/25 sent (0 %), by hand"]


async def test_missing_workers_are_named_when_they_leave_and_when_they_are_back(
    running: CampaignId, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["", "no worker since 18:43: nothing is sent", "no worker since 18:43: nothing is sent", ""]

    async def missing() -> str:
        return lines.pop(0) if lines else ""

    await follow(Queries(redis), [running], timeout_s=20, missing=missing, clock=FakeClock(auto=True))
    assert capsys.readouterr().err.splitlines() == [
        "warning: no worker since 18:43: nothing is sent",
        "workers run again",
    ]


@pytest.mark.parametrize("seconds", ["nan", "inf"])
def test_a_timeout_must_be_a_finite_number(run: Run, submitted: str, seconds: str) -> None:
    refused = run("watch", submitted, "--timeout", seconds)
    assert refused.exit_code == 2
    assert "is not a finite number" in refused.stderr


def _submit_more(run: Run, write: WriteFile) -> str:
    write("more.csv", csv_of(people(3, first=10)))
    return str(json.loads(run("submit", "campaign.toml", "--recipients", "more.csv", "--json").stdout)["campaign"])


def test_a_timeout_says_that_a_campaign_of_a_later_start_is_scheduled(run: Run, write: WriteFile) -> None:
    tomorrow = datetime.now(ZoneInfo("Asia/Kolkata")) + timedelta(days=1)
    write("campaign.toml", CAMPAIGN + f'start_at = "{tomorrow:%Y-%m-%d} 12:00"\n')
    write("rows.csv", csv_of(people(3)))
    later = json.loads(run("submit", "campaign.toml", "--recipients", "rows.csv", "--json").stdout)["campaign"]

    watched = run("watch", later, "--timeout", "0.1")

    assert watched.exit_code == 1
    assert f"campaign {later} is scheduled: goes on at {tomorrow:%Y-%m-%d} 12:00" in watched.stderr


def test_a_cancelled_campaign_is_shown_as_such(run: Run, submitted: str) -> None:
    run("cancel", submitted, "--yes")
    watched = run("watch", "last", "--until", "reports")
    assert watched.exit_code == 1
    assert watched.stdout == "0/3 sent (0 %), cancelled, by hand\n"
    assert watched.stderr.endswith(f"campaign {submitted} is cancelled: by hand\n")


def test_a_campaign_that_stopped_itself_ends_the_watching_with_the_reason(
    run: Run, submitted: str, redis_url: str
) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset(f"{{TIMESM}}:c:{submitted}", mapping={"state": "braked", "reason": "too many failures"})
    for until in ("sent", "reports"):
        watched = run("watch", submitted, "--until", until)
        assert watched.exit_code == 1
        assert ", braked, too many failures\n" in watched.stdout
        assert watched.stderr.endswith(f"campaign {submitted} is braked: too many failures\n")


def test_several_campaigns_are_watched_until_all_have_ended(run: Run, submitted: str, write: WriteFile) -> None:
    more = _submit_more(run, write)
    run("cancel", submitted, "--yes")

    watched = run("watch", submitted, more, "last", "--timeout", "0.1")

    assert watched.exit_code == 1
    lines = watched.stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{submitted} bills", f"{more} bills"]
    assert lines[0].endswith(", cancelled, by hand")
    assert watched.stderr.splitlines()[-2:] == [
        f"campaign {submitted} is cancelled: by hand",
        f"campaign {more} is running",
    ]


async def _finish(redis_url: str, campaign: str, *, resolves: bool) -> None:
    """Finish a campaign: the lost worker leaves all messages in doubt, or a person's decision makes them accepted."""
    redis, sender, id_ = connect(redis_url), SenderId("TIMESM"), CampaignId(campaign)
    leases = BatchLeases(redis)
    lease = await leases.take(BatchRef(sender, id_, 0))
    assert lease
    assert isinstance(await leases.open_block(lease, max_messages=100, operation=new_operation()), Block)
    await leases.release(lease)
    if resolves:
        await Control(redis).resolve(sender, id_, "sent")
    await redis.aclose()


@pytest.mark.parametrize("resolves", [True, False], ids=["accepted", "in doubt"])
def test_the_reports_are_awaited_on_demand(run: Run, submitted: str, redis_url: str, *, resolves: bool) -> None:
    asyncio.run(_finish(redis_url, submitted, resolves=resolves))

    assert run("watch", submitted).exit_code == 0
    waited = run("watch", submitted, "--until", "reports", "--timeout", "0.1")

    assert waited.exit_code == 1
    assert waited.stderr.endswith(f"campaign {submitted} is finished: 3 messages still without a report\n")
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset(f"{{TIMESM}}:c:{submitted}", mapping={"a": 0, "i": 0, "d": 3})
    assert run("watch", submitted, "--until", "reports").exit_code == 0


@pytest.mark.processes
@pytest.mark.parametrize("number", [1, 2])
def test_ctrl_c_ends_the_watching_and_says_that_the_campaigns_go_on(
    run: Run, submitted: str, write: WriteFile, redis_url: str, number: int
) -> None:
    campaigns = [submitted, _submit_more(run, write)][:number]
    # If a shell starts the tests in the background, all of its processes ignore the signal.
    script = "import signal; signal.signal(2, signal.default_int_handler); from producers.cli import main; main()"
    command = [sys.executable, "-c", script, "--redis-url", redis_url, "watch"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        [*command, *campaigns], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout
        assert process.stdout.readline()  # the first line comes after two seconds of watching
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)

    assert process.returncode == 130
    assert errors.splitlines()[-1] == ("the campaign goes on" if number == 1 else "the campaigns go on")
    assert "Traceback" not in errors
    assert json.loads(run("show", submitted, "--json").stdout)["state"] == "running"
