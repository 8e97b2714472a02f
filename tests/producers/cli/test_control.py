"""The commands with which people look at campaigns and senders, and change their course."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as SyncRedis

from tests.producers.conftest import Run, WriteFile, csv_of, people
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.leases import BatchLeases, Block, new_operation
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId


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
    work = BatchLeases(redis)
    lease = await work.take(BatchRef(sender, CampaignId(campaign), 0))
    assert lease
    assert isinstance(await work.open_block(lease, max_messages=100, operation=new_operation()), Block)
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
    assert shown(run, submitted)["reason"] == "the sender is paused: dispatch sender resume TIMESM"
    assert run("sender", "resume", "TIMESM").stdout == "sender TIMESM goes on\n"
    table = run("sender", "list").stdout.splitlines()
    assert table[0].split("  ")[0] == "sender"
    assert "runs" in table[1]
    unknown = run("sender", "pause", "NOBODY")
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (2, 1)
    assert "TIMESM" in unknown.stderr


@pytest.mark.parametrize("rate", ["nan", "inf", "1e-300", "0.0099"])
def test_a_rate_that_is_none_is_refused_and_the_old_one_stays(run: Run, submitted: str, rate: str) -> None:
    assert submitted
    run("sender", "rate", "TIMESM", "0.01")
    refused = run("sender", "rate", "TIMESM", rate)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert refused.stderr.startswith("sender TIMESM: the rate must be ")
    (view,) = json.loads(run("sender", "list", "--json").stdout)
    assert view["rate_per_s"] == 0.01


@pytest.mark.parametrize("seconds", ["nan", "inf"])
def test_a_timeout_that_never_comes_is_refused(run: Run, submitted: str, seconds: str) -> None:
    refused = run("watch", submitted, "--timeout", seconds)
    assert refused.exit_code == 2
    assert "is not a finite number" in refused.stderr


def test_a_resume_says_what_else_keeps_a_campaign_from_going(run: Run, submitted: str, redis_url: str) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset("{TIMESM}:pace", "brake@tm", "insufficient balance (6001)")
    stopped = run("resume", submitted)
    assert (stopped.exit_code, stopped.stdout) == (1, "")
    assert stopped.stderr == (
        f"campaign {submitted} is running, but nothing of it goes: provider tm is braked: "
        "insufficient balance (6001); when that is mended: dispatch sender resume TIMESM\n"
    )
    run("sender", "resume", "TIMESM")
    run("sender", "pause", "TIMESM")
    assert run("resume", submitted).stderr == (
        f"campaign {submitted} is running, but nothing of it goes: "
        "the sender is paused: dispatch sender resume TIMESM\n"
    )
    run("sender", "resume", "TIMESM")
    done = run("resume", submitted)
    assert (done.exit_code, done.stdout) == (0, f"campaign {submitted} is running\n")


def test_what_goes_by_itself_later_is_said_and_is_no_failure(run: Run, submitted: str, redis_url: str) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset("{TIMESM}:pace", mapping={"hold_count@tm": 1, "hold_reason@tm": "connection refused"})
    waiting = run("resume", submitted)
    assert (waiting.exit_code, waiting.stderr) == (0, "")
    assert waiting.stdout == (f"campaign {submitted} is running: provider tm is backing off: connection refused\n")


@pytest.mark.parametrize(("command", "hint"), [("pause", "pause it when that has ended"), ("resume", "it runs by")])
def test_a_campaign_that_is_still_being_submitted_can_be_steered_later(
    run: Run, submitted: str, redis_url: str, command: str, hint: str
) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset(f"{{TIMESM}}:c:{submitted}", "state", "submitting")
    refused = run(command, submitted)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(
        f"campaign {submitted} is still being submitted, and nothing of it is sent yet: {hint}"
    )


def test_books_that_do_not_balance_are_told_wherever_the_campaign_is(run: Run, submitted: str, redis_url: str) -> None:
    run("pause", submitted, "--reason", "a mistake")
    with SyncRedis.from_url(redis_url) as redis:
        redis.hincrby(f"{{TIMESM}}:c:{submitted}", "a", 1)
    breach = "accounting identity broken: 3 in all, but 3 pending, 1 accepted"
    assert breach in run("list").stdout
    table, program = run("show", submitted), run("show", submitted, "--json")
    assert (table.exit_code, program.exit_code) == (1, 1)
    assert f"paused, {breach}; a mistake" in table.stdout
    assert json.loads(program.stdout)["reason"] == f"{breach}; a mistake"
    assert breach in run("watch", submitted, "--timeout", "0.1").stderr
    resumed = run("resume", submitted)
    assert (resumed.exit_code, resumed.stderr) == (1, f"campaign {submitted} is running: {breach}\n")


def rung(redis_url: str) -> list[str]:
    """Take the bells from their queue: the campaigns they are for."""
    with SyncRedis.from_url(redis_url) as redis:
        bells = [json.loads(bell) for bell in redis.lrange("bulk", 0, -1)]
        redis.delete("bulk")
    return [json.loads(base64.b64decode(bell["body"]))[0][1] for bell in bells]


@pytest.mark.parametrize("command", ["sender resume TIMESM", "sender rate TIMESM 50", "resume {}"])
def test_what_may_go_again_is_rung_for_at_once(
    run: Run, submitted: str, redis_url: str, campaign: Path, write: WriteFile, *, command: str
) -> None:
    run("sender", "pause", "TIMESM")
    write("more.csv", csv_of(people(3, first=10)))
    later = json.loads(run("submit", str(campaign), "--recipients", "more.csv", "--json").stdout)["campaign"]
    assert rung(redis_url) == [submitted]
    if not command.startswith("sender resume"):
        with SyncRedis.from_url(redis_url) as redis:
            redis.hdel("{TIMESM}:pace", "paused")
    assert run(*command.format(later).split()).exit_code == 0
    assert rung(redis_url) == [later]


def test_a_broker_that_is_away_does_not_keep_a_sender_from_being_resumed(
    run: Run, submitted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("sender", "pause", "TIMESM")
    monkeypatch.setenv("DISPATCH_BROKER_URL", "redis://127.0.0.1:1/0")
    assert run("sender", "resume", "TIMESM").stdout == "sender TIMESM goes on\n"
    assert run("resume", submitted).exit_code == 0


def test_campaigns_are_listed_and_shown(run: Run, submitted: str) -> None:
    (listed,) = json.loads(run("list", "--json").stdout)
    assert listed["id"] == submitted
    assert submitted in run("list").stdout
    table = run("show", submitted).stdout
    assert "pending" in table
    counts = shown(run, submitted)
    assert counts["total"] == 3
