"""``dispatch resend`` on a campaign of three messages, of which all failed."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.kit.producers import SETTINGS, Run, show
from tests.kit.terminal import answer
from tests.producers.resend.test_resender import settle
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId

WITH_PRICE = SETTINGS.replace('category = "service"', 'category = "service"\nprice_per_part = "Rs 0.20"', 1)


@pytest.fixture
def failed(run: Run, submitted: str, redis_url: str, tmp_path: Path, worker_runs: None) -> str:
    """A campaign of three messages, all failed with 912; a part costs Rs 0.20."""
    (tmp_path / "dispatch.toml").write_text(WITH_PRICE)

    async def fail() -> None:
        async with connect(redis_url) as redis:
            await settle(redis, CampaignId(submitted), ["f912"])

    asyncio.run(fail())
    return submitted


def test_a_dry_run_shows_number_and_cost_and_does_nothing(run: Run, failed: str) -> None:
    shown = run("resend", failed, "--state", "failed", "--code", "912,914", "--dry-run")
    assert shown.exit_code == 0
    assert shown.stdout == (
        f"resends of {failed}, bills from TIMESM: 3 messages in 3 parts, costs Rs 0.60 (failed; codes 912, 914)\n"
    )
    assert json.loads(run("resend", failed, "--state", "failed", "--dry-run", "--json").stdout)["messages"] == 3
    assert show(run, failed)["resends"] == []


def test_a_resend_is_refused_if_nobody_can_be_asked(run: Run, failed: str) -> None:
    refused = run("resend", failed, "--state", "failed")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.endswith(
        "nothing is done: nobody can be asked here, stdin is no terminal; --yes acts without asking\n"
    )
    assert show(run, failed)["resends"] == []


def test_a_resend_and_its_campaign_name_each_other(run: Run, failed: str) -> None:
    made = run("resend", failed, "--state", "failed", "--yes")
    assert made.exit_code == 0, made.stderr
    [child] = show(run, failed)["resends"]
    assert made.stdout == f"campaign {child} resends 3 messages of {failed}, starts at once\n"
    assert (show(run, child)["resend_of"], show(run, child)["total"]) == (failed, 3)
    assert f"resend of {failed}: failed\n" in run("show", child).stdout
    assert f"resent as {child}\n" in run("show", failed).stdout


def test_a_resend_says_that_its_sender_is_paused(run: Run, failed: str) -> None:
    run("sender", "pause", "TIMESM", "--reason", "wrong price")
    shown = run("resend", failed, "--state", "failed", "--dry-run")
    assert shown.stdout.splitlines()[1:] == ["  sender TIMESM sends nothing now: it is paused (wrong price)"]
    made = run("resend", failed, "--state", "failed", "--yes")
    assert made.stdout.endswith(", starts later: the sender is paused (wrong price): dispatch sender resume TIMESM\n")


def test_the_same_command_makes_no_second_campaign(run: Run, failed: str) -> None:
    run("resend", failed, "--state", "failed", "--yes")
    repeated = run("resend", failed, "--state", "failed", "--yes")
    assert repeated.exit_code == 0
    [child] = show(run, failed)["resends"]
    assert f"left out: 3 messages of earlier resends ({child}); --again sends them once more" in repeated.stdout


def test_a_resend_again_prints_the_salt_that_finishes_it(run: Run, failed: str) -> None:
    run("resend", failed, "--state", "failed", "--yes")
    again = run("resend", failed, "--state", "failed", "--yes", "--again", "--json")
    salt = again.stderr.split("--salt ")[1].split()[0]
    child = json.loads(again.stdout)["campaign"]
    repeated = run("resend", failed, "--state", "failed", "--yes", "--again", "--salt", salt)
    assert repeated.stdout == f"already resent as {child} (running)\n"
    assert len(show(run, failed)["resends"]) == 2


def test_the_messages_must_be_named(run: Run, failed: str) -> None:
    assert run("resend", failed).exit_code == 2
    assert run("resend", failed, "--state", "delivered").exit_code == 2
    assert run("resend", failed, "--state", "failed", "--salt", "x").exit_code == 2
    assert run("resend", "unknown1", "--state", "failed").exit_code == 2


def test_messages_in_doubt_are_taken_only_on_demand(run: Run, failed: str, redis_url: str) -> None:
    async def doubt() -> None:
        async with connect(redis_url) as redis:
            await settle(redis, CampaignId(failed), ["i0", "f912", "g0"])

    asyncio.run(doubt())
    assert json.loads(run("resend", failed, "--state", "failed", "--dry-run", "--json").stdout)["messages"] == 1
    shown = run("resend", failed, "--in-doubt", "--dry-run")
    assert "2 messages in 2 parts" in shown.stdout
    assert "a person who already got a message in doubt gets it twice" in shown.stdout


@pytest.mark.processes
def test_a_resend_is_made_only_after_a_yes(run: Run, failed: str, redis_url: str, tmp_path: Path) -> None:
    no = answer("resend", failed, "--state", "failed", folder=tmp_path, redis_url=redis_url, keys="n\n")
    assert no.exit_code == 1
    assert "costs Rs 0.60" in no.output
    assert show(run, failed)["resends"] == []
    yes = answer("resend", failed, "--state", "failed", folder=tmp_path, redis_url=redis_url, keys="y\n")
    assert yes.exit_code == 0
    assert len(show(run, failed)["resends"]) == 1
