"""Commands that cannot be undone print what they would do, and ask; the tests run the real command on a terminal."""

import asyncio
import json
from pathlib import Path

import pytest
from redis import Redis as SyncRedis

from tests.kit.producers import SETTINGS, Run, show
from tests.kit.terminal import answer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.openings import Block, new_operation

WITH_PRICE = SETTINGS.replace('category = "service"', 'category = "service"\nprice_per_part = "Rs 0.20"', 1)


async def _lose_a_worker(redis_url: str, campaign: str) -> None:
    """Leave all messages of a campaign in doubt, because the worker that opened them is gone."""
    redis = connect(redis_url)
    work = BatchLeases(redis)
    lease = await work.take(BatchRef(SenderId("TIMESM"), CampaignId(campaign), 0))
    assert lease
    assert isinstance(await work.open_block(lease, max_messages=100, operation=new_operation()), Block)
    await work.release(lease)
    await redis.aclose()


@pytest.mark.processes
def test_a_cancel_is_shown_and_done_only_after_a_yes(run: Run, submitted: str, redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "dispatch.toml").write_text(WITH_PRICE)
    no = answer("cancel", submitted, folder=tmp_path, redis_url=redis_url, keys="n\n")
    assert no.exit_code == 1
    assert "cancels for good:\n" in no.output
    assert f"  {submitted}  bills from TIMESM, running: 3 messages of 3 unsent\n" in no.output
    assert "  not sent: 3 messages, about Rs 0.60\n" in no.output
    assert "go on? [y/N]: " in no.output
    assert "Aborted!" in no.output
    assert show(run, submitted)["state"] == "running"
    yes = answer("cancel", submitted, folder=tmp_path, redis_url=redis_url, keys="y\n")
    assert yes.exit_code == 0
    assert yes.output.endswith(f"campaign {submitted} is cancelled\n")


@pytest.mark.processes
def test_all_senders_are_paused_after_a_yes(run: Run, submitted: str, redis_url: str, tmp_path: Path) -> None:
    run("submit", "campaign.toml", "--recipients", "customers.csv", "--yes")
    paused = answer("pause", "--all", folder=tmp_path, redis_url=redis_url, keys="y\n")
    assert paused.exit_code == 0
    assert "pauses sender OTHERS, TIMESM: 2 live campaigns with 6 unsent messages\n" in paused.output
    assert "sender TIMESM is paused\n" in paused.output


def test_a_pause_resume_or_cancel_of_several_campaigns_shows_all_of_them_first(run: Run, submitted: str) -> None:
    run("submit", "campaign.toml", "--recipients", "customers.csv", "--yes", "--again")
    other = str(json.loads(run("list", "--json").stdout)[0]["id"])
    for command, first in (
        ("pause", "pauses 2 campaigns with 6 unsent messages\n"),
        ("resume", "resumes 2 campaigns with 6 unsent messages\n"),
        ("cancel", "cancels for good:\n"),
    ):
        refused = run(command, submitted, other)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert refused.stderr.startswith(first)
        for campaign in (submitted, other):
            assert f"  {campaign}  bills from TIMESM, running: 3 messages of 3 unsent\n" in refused.stderr
        assert "nothing is done: nobody can be asked here" in refused.stderr


def test_a_cancel_is_refused_if_nobody_can_be_asked(run: Run, submitted: str) -> None:
    refused = run("cancel", submitted)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.endswith(
        "nothing is done: nobody can be asked here, stdin is no terminal; --yes acts without asking\n"
    )
    assert show(run, submitted)["state"] == "running"


def test_a_cancel_that_cancels_no_message_asks_nothing(run: Run, submitted: str) -> None:
    run("cancel", submitted, "--yes")
    assert run("cancel", submitted).stdout == f"campaign {submitted} is cancelled\n"


def test_a_cancel_of_a_damaged_campaign_says_that_its_messages_cannot_be_counted(
    run: Run, submitted: str, redis_url: str
) -> None:
    async def damage() -> None:
        async with connect(redis_url) as redis:
            await redis.hset(f"{{TIMESM}}:c:{submitted}", "plan", "{")

    asyncio.run(damage())
    assert "its messages cannot be counted" in run("cancel", submitted).stderr
    assert run("cancel", submitted, "--yes").exit_code == 0


def test_messages_in_doubt_are_sent_again_only_after_a_yes(
    run: Run, submitted: str, redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "dispatch.toml").write_text(WITH_PRICE)
    asyncio.run(_lose_a_worker(redis_url, submitted))
    refused = run("resolve", submitted, "--as", "resend")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "sends again: 3 messages in doubt, about Rs 0.60\n" in refused.stderr
    assert "  a person who already got such a message gets it twice\n" in refused.stderr
    assert show(run, submitted)["states"]["in_doubt"] == 3
    assert run("resolve", submitted, "--as", "resend", "--yes").exit_code == 0
    assert show(run, submitted)["states"]["in_doubt"] == 0


def test_reports_that_a_forced_decision_ignores_are_named_before_the_question(
    run: Run, submitted: str, redis_url: str
) -> None:
    asyncio.run(_lose_a_worker(redis_url, submitted))
    with SyncRedis.from_url(redis_url) as redis:
        redis.xadd("reports", {"b": b"[]"})
    asked = run("resolve", submitted, "--as", "resend", "--force")
    assert (asked.exit_code, asked.stdout) == (2, "")
    assert "\n  ignores: 1 post of reports waits, the oldest for " in asked.stderr
    assert show(run, submitted)["states"]["in_doubt"] == 3


@pytest.mark.parametrize("rate", ["501", "0"])
def test_a_rate_above_that_of_the_settings_is_shown_and_needs_a_yes(run: Run, submitted: str, rate: str) -> None:
    refused = run("sender", "rate", "TIMESM", rate)
    assert (refused.exit_code, refused.stdout) == (2, "")
    words = "no limit" if rate == "0" else "501/s"
    assert refused.stderr.startswith(
        f"sets the rate of sender TIMESM to {words}, above the 500/s of the settings: "
        "1 live campaign with 3 unsent messages\n"
    )
    assert run("sender", "rate", "TIMESM", rate, "--yes").exit_code == 0


def test_a_rate_of_the_settings_or_below_needs_no_yes(run: Run, submitted: str) -> None:
    assert run("sender", "rate", "TIMESM", "500").exit_code == 0
    assert run("sender", "rate", "TIMESM", "1").exit_code == 0


def test_a_cancel_says_how_many_failed_messages_are_not_tried_again(run: Run, submitted: str, redis_url: str) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset(f"{{TIMESM}}:c:{submitted}", "retries_waiting", 2)
    refused = run("cancel", submitted)
    assert refused.exit_code == 2
    assert "  failed and not tried again: 2 messages\n" in refused.stderr
