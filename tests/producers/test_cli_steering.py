"""The commands with which people look at campaigns and senders, and change their course."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from campaigns.connection import connect
from campaigns.control import Control
from campaigns.model import BatchRef, CampaignId, SenderId
from campaigns.work import Block, Work, new_operation
from tests.producers.conftest import Run, WriteFile, csv_of, people


@pytest.fixture
def submitted(run: Run, campaign: Path, write: WriteFile) -> str:
    """A campaign of three messages that nobody sends."""
    write("people.csv", csv_of(people(3)))
    return str(json.loads(run("submit", str(campaign), "--recipients", "people.csv", "--json").stdout)["campaign"])


def shown(run: Run, campaign: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run("show", campaign, "--json").stdout)
    return answer


def test_a_campaign_is_paused_resumed_and_cancelled(run: Run, submitted: str) -> None:
    assert run("pause", submitted, "--reason", "a mistake").stdout == f"campaign {submitted} is paused\n"
    assert (shown(run, submitted)["state"], shown(run, submitted)["reason"]) == ("paused", "a mistake")
    assert run("resume", submitted).stdout == f"campaign {submitted} is running\n"
    assert run("resume", submitted).exit_code == 0
    assert run("cancel", submitted).stdout == f"campaign {submitted} is cancelled\n"
    again = run("resume", submitted)
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == f"campaign {submitted} is cancelled: it cannot be running any more\n"


@pytest.mark.parametrize(
    "command", ["pause {}", "resume {}", "cancel {}", "show {}", "watch {}", "resolve {} --as sent", "budget {} 5"]
)
def test_a_campaign_that_nobody_knows_is_one_line(run: Run, command: str) -> None:
    done = run(*command.format("nobody00").split())
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "nobody00" in done.stderr


def test_a_budget_is_raised_and_taken_away(run: Run, submitted: str) -> None:
    assert run("budget", submitted, "5000").stdout == f"campaign {submitted} may use 5,000 parts\n"
    assert run("budget", submitted, "0").stdout == f"campaign {submitted} has no budget\n"
    assert run("budget", submitted, "-1").exit_code == 2


def test_nothing_in_doubt_is_nothing_to_resolve(run: Run, submitted: str) -> None:
    assert run("resolve", submitted, "--as", "resend").stdout == "0 messages in doubt are now pending again\n"


async def _pause_and_lose_a_worker(redis_url: str, campaign: str) -> None:
    """Let all messages be in doubt: who opened them cannot say what became of them. Meanwhile it is paused."""
    redis, sender = connect(redis_url), SenderId("TIMESM")
    work = Work(redis)
    lease = await work.take(BatchRef(sender, CampaignId(campaign), 0))
    assert lease
    assert isinstance(await work.open_block(lease, most=100, operation=new_operation()), Block)
    await Control(redis).campaign(sender, CampaignId(campaign), "pause")
    await work.release(lease)
    await redis.aclose()


def test_what_is_resent_of_a_held_campaign_is_said_to_wait(run: Run, submitted: str, redis_url: str) -> None:
    asyncio.run(_pause_and_lose_a_worker(redis_url, submitted))
    resolved = run("resolve", submitted, "--as", "resend").stdout
    assert resolved == (
        "3 messages in doubt are now pending again; "
        f"campaign {submitted} is paused: they wait for dispatch resume {submitted}\n"
    )
    assert shown(run, submitted)["state"] == "paused"


def test_a_campaign_that_is_held_for_its_doubt_says_so_and_is_finished_by_its_resume(
    run: Run, submitted: str, redis_url: str
) -> None:
    asyncio.run(_pause_and_lose_a_worker(redis_url, submitted))
    assert (shown(run, submitted)["state"], shown(run, submitted)["states"]["in_doubt"]) == ("paused", 3)
    assert run("resume", submitted).stdout == f"campaign {submitted} is finished\n"
    assert run("cancel", submitted).stdout == f"campaign {submitted} is cancelled\n"
    assert run("resolve", submitted, "--as", "resend").stdout == "0 messages in doubt are now pending again\n"


def test_a_senders_rate_and_stops_are_seen_and_changed(run: Run, submitted: str) -> None:
    assert run("sender", "rate", "TIMESM", "25").stdout == "sender TIMESM may send 25/s\n"
    assert run("sender", "pause", "TIMESM").stdout == "sender TIMESM is paused\n"
    (view,) = json.loads(run("sender", "list", "--json").stdout)
    assert (view["id"], view["rate_per_s"], view["paused"]) == ("TIMESM", 25, True)
    assert shown(run, submitted)["reason"] == "the sender is paused"
    assert run("sender", "resume", "TIMESM").stdout == "sender TIMESM goes on\n"
    table = run("sender", "list").stdout.splitlines()
    assert table[0].split("  ")[0] == "sender"
    assert "runs" in table[1]
    unknown = run("sender", "pause", "NOBODY")
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (2, 1)
    assert "TIMESM" in unknown.stderr


def test_campaigns_are_listed_and_shown(run: Run, submitted: str) -> None:
    (listed,) = json.loads(run("list", "--json").stdout)
    assert listed["id"] == submitted
    assert submitted in run("list").stdout
    table = run("show", submitted).stdout
    assert "pending" in table
    counts = shown(run, submitted)
    assert counts["total"] == 3
