"""The commands that pause, resume, cancel and resolve campaigns, and change their budgets."""

import asyncio
import base64
import json
from pathlib import Path

import pytest
from redis import Redis as SyncRedis

from tests.kit.producers import Run, WriteFile, csv_of, people, show
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.openings import Block, new_operation
from times_dispatch.ledger.protocol import ControlAction


def test_a_campaign_is_paused_resumed_and_cancelled(run: Run, submitted: str) -> None:
    assert run("pause", submitted, "--reason", "a mistake").stdout == f"campaign {submitted} is paused\n"
    assert (show(run, submitted)["state"], show(run, submitted)["reason"]) == ("paused", "a mistake")
    assert run("resume", submitted).stdout == f"campaign {submitted} is running\n"
    assert run("resume", submitted).exit_code == 0
    assert run("cancel", submitted, "--yes").stdout == f"campaign {submitted} is cancelled\n"
    again = run("resume", submitted)
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == f"campaign {submitted} is cancelled: it cannot be resumed any more\n"


def test_several_campaigns_are_paused_resumed_and_cancelled_at_once(run: Run, submitted: str) -> None:
    assert run("submit", "campaign.toml", "--recipients", "customers.csv", "--yes", "--again").exit_code == 0
    other = str(json.loads(run("list", "--json").stdout)[0]["id"])
    assert other != submitted

    paused = run("pause", submitted, "last", submitted, "--reason", "a mistake", "--yes")
    assert paused.stdout == f"campaign {submitted} is paused\ncampaign {other} is paused\n"
    assert paused.stderr == f"last is campaign {other}\n"
    resumed = run("resume", submitted, other, "--yes")
    assert resumed.stdout == f"campaign {submitted} is running\ncampaign {other} is running\n"

    assert run("cancel", other, "--yes").exit_code == 0
    both = run("pause", other, submitted, "--yes")
    assert (both.exit_code, both.stdout) == (1, f"campaign {submitted} is paused\n")
    assert both.stderr == f"campaign {other} is cancelled: it cannot be paused any more\n"
    assert run("cancel", submitted, other, "--yes").exit_code == 0


@pytest.mark.parametrize("command", ["pause", "resume", "cancel"])
def test_an_unknown_name_among_several_changes_no_campaign(run: Run, submitted: str, command: str) -> None:
    run("pause", submitted, "--reason", "kept")
    unknown = run(command, submitted, "nowhere", "--yes")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert (show(run, submitted)["state"], show(run, submitted)["reason"]) == ("paused", "kept")


def test_a_budget_can_be_raised_and_removed(run: Run, submitted: str) -> None:
    assert run("budget", submitted, "5000").stdout == f"campaign {submitted} may use 5,000 parts\n"
    assert run("budget", submitted, "0").stdout == f"campaign {submitted} has no budget\n"
    assert run("budget", submitted, "-1").exit_code == 2


def test_a_campaign_without_messages_in_doubt_has_nothing_to_resolve(run: Run, submitted: str) -> None:
    assert run("resolve", submitted, "--as", "resend", "--yes").stdout == "0 messages in doubt are now pending again\n"


async def _pause_and_lose_a_worker(redis_url: str, campaign: str) -> None:
    """Pause a campaign whose messages are all in doubt, because the worker that opened them is gone."""
    redis, sender = connect(redis_url), SenderId("TIMESM")
    work = BatchLeases(redis)
    lease = await work.take(BatchRef(sender, CampaignId(campaign), 0))
    assert lease
    assert isinstance(await work.open_block(lease, max_messages=100, operation=new_operation()), Block)
    await Control(redis).campaign(sender, CampaignId(campaign), ControlAction.PAUSE)
    await work.release(lease)
    await redis.aclose()


@pytest.mark.parametrize(
    ("parts", "says"),
    [(2, "has used 3 parts already: it stops before its next message"), (3, "has used 3 parts already"), (4, "")],
)
def test_a_budget_that_is_used_up_already_is_said(
    run: Run, submitted: str, redis_url: str, parts: int, says: str
) -> None:
    asyncio.run(_pause_and_lose_a_worker(redis_url, submitted))
    done = run("budget", submitted, str(parts))
    assert (done.exit_code, done.stdout) == (0, f"campaign {submitted} may use {parts} parts\n")
    assert done.stderr.startswith(f"campaign {submitted} {says}" if says else "")
    assert bool(done.stderr) == bool(says)


def test_messages_to_resend_of_a_paused_campaign_wait_for_its_resume(run: Run, submitted: str, redis_url: str) -> None:
    asyncio.run(_pause_and_lose_a_worker(redis_url, submitted))
    resolved = run("resolve", submitted, "--as", "resend", "--yes").stdout
    assert resolved == (
        "3 messages in doubt are now pending again; "
        f"campaign {submitted} is paused: the messages wait for dispatch resume {submitted}\n"
    )
    assert show(run, submitted)["state"] == "paused"


def test_a_paused_campaign_with_all_messages_in_doubt_is_finished_by_its_resume(
    run: Run, submitted: str, redis_url: str
) -> None:
    asyncio.run(_pause_and_lose_a_worker(redis_url, submitted))
    assert (show(run, submitted)["state"], show(run, submitted)["states"]["in_doubt"]) == ("paused", 3)
    assert run("resume", submitted).stdout == f"campaign {submitted} is finished\n"
    assert run("cancel", submitted, "--yes").stdout == f"campaign {submitted} is cancelled\n"
    assert run("resolve", submitted, "--as", "resend", "--yes").stdout == "0 messages in doubt are now pending again\n"


def test_a_resume_names_what_still_holds_the_campaign_back(run: Run, submitted: str, redis_url: str) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset("{TIMESM}:sender", "brake@tm", "insufficient balance (6001)")
    stopped = run("resume", submitted)
    assert (stopped.exit_code, stopped.stdout) == (1, "")
    assert stopped.stderr == (
        f"campaign {submitted} is running, but nothing is sent: provider tm is braked: "
        "insufficient balance (6001); when that is fixed: dispatch sender resume TIMESM\n"
    )
    run("sender", "resume", "TIMESM")
    run("sender", "pause", "TIMESM")
    assert run("resume", submitted).stderr == (
        f"campaign {submitted} is running, but nothing is sent: the sender is paused: dispatch sender resume TIMESM\n"
    )
    run("sender", "resume", "TIMESM")
    done = run("resume", submitted)
    assert (done.exit_code, done.stdout) == (0, f"campaign {submitted} is running\n")


def test_a_resume_during_a_back_off_succeeds_and_names_the_cause(run: Run, submitted: str, redis_url: str) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset("{TIMESM}:sender", mapping={"back_off_count@tm": 1, "back_off_reason@tm": "connection refused"})
    waiting = run("resume", submitted)
    assert (waiting.exit_code, waiting.stderr) == (0, "")
    assert waiting.stdout == (
        f"campaign {submitted} is waiting for the sender: provider tm is backing off: connection refused\n"
    )


@pytest.mark.parametrize(
    ("command", "hint"), [("pause", "pause it after the submit has ended"), ("resume", "it runs by")]
)
def test_a_campaign_that_is_still_being_submitted_can_be_neither_paused_nor_resumed(
    run: Run, submitted: str, redis_url: str, command: str, hint: str
) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset(f"{{TIMESM}}:c:{submitted}", "state", "submitting")
    refused = run(command, submitted)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(
        f"campaign {submitted} is still being submitted, so none of its messages is sent yet: {hint}"
    )


def take_wake_ups(redis_url: str) -> list[str]:
    """Empty the queue of wake-ups; return the campaign of each."""
    with SyncRedis.from_url(redis_url) as redis:
        wake_ups = [json.loads(wake_up) for wake_up in redis.lrange("bulk", 0, -1)]
        redis.delete("bulk")
    return [json.loads(base64.b64decode(wake_up["body"]))[0][1] for wake_up in wake_ups]


@pytest.mark.parametrize("command", ["sender resume TIMESM --yes", "sender rate TIMESM 50", "resume {}"])
def test_workers_are_woken_at_once_for_what_may_be_sent_again(
    run: Run, submitted: str, redis_url: str, campaign: Path, write: WriteFile, *, command: str
) -> None:
    run("sender", "pause", "TIMESM")
    write("more.csv", csv_of(people(3, first=10)))
    later = json.loads(run("submit", str(campaign), "--recipients", "more.csv", "--json").stdout)["campaign"]
    assert take_wake_ups(redis_url) == [submitted]
    if not command.startswith("sender resume"):
        with SyncRedis.from_url(redis_url) as redis:
            redis.hdel("{TIMESM}:sender", "paused")
    assert run(*command.format(later).split()).exit_code == 0
    assert take_wake_ups(redis_url) == [later]


def test_doubt_is_not_decided_while_reports_wait_unless_it_is_forced(run: Run, submitted: str, redis_url: str) -> None:
    asyncio.run(_pause_and_lose_a_worker(redis_url, submitted))
    with SyncRedis.from_url(redis_url) as redis:
        redis.xadd("reports", {"b": b"[]"})
    for decision in ("resend", "sent"):
        refused = run("resolve", submitted, "--as", decision)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr.startswith("1 post of reports waits, the oldest for ")
        assert refused.stderr.endswith("then run the command again, or decide without these reports with --force\n")
        assert refused.stderr.count("\n") == 1
    forced = run("resolve", submitted, "--as", "sent", "--force")
    assert (forced.exit_code, forced.stdout) == (0, "3 messages in doubt are now accepted\n")
    assert forced.stderr.startswith("ignored: 1 post of reports waits")


def test_a_full_redis_is_told_by_every_command_and_a_campaign_can_be_shown_paused_and_cancelled(
    run: Run, submitted: str, redis_url: str
) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.config_set("maxmemory", 1)
        try:
            for command in (["list"], ["show", submitted], ["pause", submitted], ["sender", "pause", "TIMESM"]):
                done = run(*command)
                assert done.exit_code == 0, done.output
                assert "warning: Redis:" in done.output
                assert "of its memory is used" in done.output
            assert run("cancel", submitted, "--yes").exit_code == 0
        finally:
            redis.config_set("maxmemory", 0)
    assert "cancelled" in run("show", submitted).stdout


def test_a_second_reason_of_a_pause_replaces_the_first_and_a_pause_without_a_reason_keeps_it(
    run: Run, submitted: str
) -> None:
    for reason in (["--reason", "first"], ["--reason", "second"], []):
        assert run("pause", submitted, *reason).stdout == f"campaign {submitted} is paused\n"
    assert show(run, submitted)["reason"] == "second"
    entries = json.loads(run("audit", submitted, "--json").stdout)
    assert [entry["detail"] for entry in entries if entry["action"] == "paused"] == ["first", "second"]
