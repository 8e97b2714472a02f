import asyncio
import json
from pathlib import Path

import pytest
from redis.asyncio import Redis

from producers.draft import Draft
from producers.resend.resender import Resender
from producers.resend.suppressions import Suppressions
from producers.submit import submit
from tests.kit.producers import Run, WriteFile, csv_of, people, show
from tests.producers.preflight.test_repetitions import send_all
from tests.producers.resend.test_resender import FAILED, settle
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.dead_numbers import DeadNumbers
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.opt_outs import OptOuts
from times_dispatch.ledger.repetitions import Repetitions
from times_dispatch.settings.model import Settings
from times_dispatch.settings.senders import SenderSettings


@pytest.fixture
async def failed(campaign: Path, write: WriteFile, settings: Settings, redis: Redis, redis_url: str) -> CampaignId:
    """A campaign of five messages that were sent just now, of which all failed."""
    draft = Draft(campaign, write("customers.csv", csv_of(people(5))), settings=settings)
    made = await submit(draft, settings=settings, redis=redis)
    await send_all(redis_url)
    await settle(redis, made.campaign, ["f912"])
    return made.campaign


async def test_a_survey_counts_what_would_be_suppressed_by_reason(
    failed: CampaignId, settings: Settings, redis: Redis
) -> None:
    await OptOuts(redis).add(["919000000001"])
    await DeadNumbers(redis, settings.dead_numbers.rule).add({"919000000003": 910})
    resender = Resender(redis, settings, failed, FAILED)
    survey = await resender.survey()
    assert (survey.messages, survey.suppressed) == (5, Suppressions(1, 1, Repetitions(same_text=3)))
    later = await resender.survey(after_s=3_600)
    assert later.suppressed == Suppressions(1, 1), "half an hour later the text may go again"


async def test_messages_of_earlier_resends_are_not_counted(
    failed: CampaignId, settings: Settings, redis: Redis
) -> None:
    await OptOuts(redis).add(["919000000001"])
    resender = Resender(redis, settings, failed, FAILED)
    await resender.submit()
    assert (await resender.survey()).suppressed == Suppressions()


def test_the_command_says_what_would_be_suppressed_before_it_asks_or_sends(
    run: Run, submitted: str, redis_url: str, worker_runs: None
) -> None:
    asyncio.run(send_all(redis_url))

    async def fail() -> None:
        async with connect(redis_url) as redis:
            await settle(redis, CampaignId(submitted), ["f912"])

    asyncio.run(fail())
    words = "3 of them will be suppressed: the same text went to their numbers within 30m"
    shown = run("resend", submitted, "--state", "failed", "--dry-run")
    assert shown.stdout.splitlines()[1:] == [f"  {words}"]
    as_json = json.loads(run("resend", submitted, "--state", "failed", "--dry-run", "--json").stdout)
    assert (as_json["opted_out"], as_json["dead_numbers"]) == (0, 0)
    assert as_json["repeated"] == {"same_text": 3, "too_many": 0, "undecided": 0}
    later = run("resend", submitted, "--state", "failed", "--after", "31m", "--dry-run")
    assert "suppressed" not in later.stdout
    sent = run("resend", submitted, "--state", "failed", "--yes")
    assert f"warning: {words}" in sent.stderr.splitlines()
    assert len(show(run, submitted)["resends"]) == 1


def test_each_reason_has_a_line() -> None:
    sender = SenderSettings(category="service")
    assert list(Suppressions(1, 2, Repetitions(same_text=3)).in_words(sender)) == [
        "1 of them will be suppressed: on the opt-out list",
        "2 of them will be suppressed: a dead number",
        "3 of them will be suppressed: the same text went to their numbers within 30m",
    ]
    assert list(Suppressions().in_words(sender)) == []
