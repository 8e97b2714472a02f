import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from producers.draft import Draft
from producers.preflight.suppressions import Suppressions, count_repetitions, repetitions_in_words
from producers.resend.resender import Resender
from producers.submit import submit
from tests.kit.producers import CAMPAIGN, SETTINGS, Run, WriteFile, csv_of, load_settings, people, show
from tests.producers.campaign.test_tracked_links import FILE as LINKED
from tests.producers.campaign.test_tracked_links import WITH_LINKS
from tests.producers.resend.test_resender import FAILED, settle
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.frequency_cap import FrequencyCheck, FrequencyLimit, fingerprint, text_digest
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule, DeadNumbers
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.openings import Block, new_operation
from times_dispatch.ledger.push_results import Result
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.repetitions import Repetitions
from times_dispatch.settings.model import Settings
from times_dispatch.settings.tables.senders import SenderSettings
from times_dispatch.sms.templates import Template

CAPPED = SETTINGS.replace("rate_per_s = 500", 'rate_per_s = 500\nmax_per_number = "2 in 24h"')
TEXT = "Dear {#var#}, your bill is {#var#}. - TIMESM"
SENDER = SenderId("TIMESM")
LIMIT = FrequencyLimit(repeat_after_s=1_800, max_messages=2, period_s=86_400)


async def send_all(redis_url: str) -> None:
    """Send the submitted campaign, as a worker does."""
    async with connect(redis_url) as redis:
        leases = BatchLeases(redis)
        [view] = [view for view in await Queries(redis).live(SENDER) if view.unsent]
        lease = await leases.take(BatchRef(SENDER, view.id, 0))  # the submit issued the batch
        assert lease
        rows, phones = lease.recipients, lease.recipients.to
        texts = [Template(TEXT).render(list(values)) for values in zip(*rows.slots, strict=True)]
        prints = b"".join(fingerprint(phone, text) for phone, text in zip(phones, texts, strict=True))
        check = FrequencyCheck(LIMIT, text_digest(TEXT), 0, prints, " ".join(phones))
        block = await leases.open_block(lease, max_messages=100, operation=new_operation(), check=check)
        assert isinstance(block, Block)
        results = [Result(index, block.number, b"a", 200, "7", 1) for index, _ in block.messages]
        await leases.record(lease, results, provider="tm")
        await leases.release(lease)


@pytest.fixture
def sent(run: Run, write: WriteFile, redis_url: str) -> Run:
    """Three bills were sent just now; the file has five people now, and one of them is on the opt-out list."""
    write("dispatch.toml", CAPPED)
    run("submit", "campaign.toml", "--recipients", "customers.csv")
    asyncio.run(send_all(redis_url))
    write("customers.csv", csv_of(people(5)))
    run("optout", "add", "9000000002")
    return run


def test_check_says_how_many_rows_would_be_suppressed_as_repeated(sent: Run) -> None:
    check = ("check", "campaign.toml", "--recipients", "customers.csv")
    done = sent(*check)
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "          1 of them will be suppressed: on the opt-out list" in lines
    assert "          2 of them will be suppressed: the same text went to their numbers within 30m" in lines
    expected = {"same_text": 2, "too_many": 0, "undecided": 0}
    assert json.loads(sent(*check, "--json").stdout)["repeated"] == expected
    assert json.loads(sent(*check, "--json", "--no-redis").stdout)["repeated"] is None


async def test_texts_with_tracked_links_are_compared_without_the_codes_as_workers_do(
    write: WriteFile, redis_url: str
) -> None:
    settings = load_settings(
        write("dispatch.toml", WITH_LINKS), redis_url, DISPATCH_LINK_KEY="0123456789abcdef0123456789abcdef"
    )
    draft = Draft(write("campaign.toml", LINKED), write("customers.csv", csv_of(people(5))), settings=settings)
    async with connect(redis_url) as redis:
        await submit(draft, settings=settings, redis=redis)
        await send_all(redis_url)
        assert await count_repetitions(redis, settings, draft, datetime.now(UTC)) == Repetitions(same_text=5)


def test_check_counts_the_frequency_cap_for_another_text(sent: Run, write: WriteFile, redis_url: str) -> None:
    write("campaign.toml", CAMPAIGN.replace("Rs {amount}", "INR {amount}"))
    sent("submit", "campaign.toml", "--recipients", "customers.csv", "--yes")
    asyncio.run(send_all(redis_url))
    write("campaign.toml", CAMPAIGN.replace("Rs {amount}", "Rupees {amount}"))
    done = sent("check", "campaign.toml", "--recipients", "customers.csv")
    assert "          2 of them will be suppressed: max_per_number allows 2 in 24h" in done.stdout.splitlines()


def test_submit_again_says_how_many_messages_will_be_suppressed_before_they_are_stored(sent: Run) -> None:
    done = sent("submit", "campaign.toml", "--recipients", "customers.csv", "--again")
    assert done.exit_code == 0, done.stderr
    assert (
        "submitted again: 2 of them will be suppressed: the same text went to their numbers within 30m"
        in done.stderr.splitlines()
    )


def test_submit_says_how_many_of_its_messages_will_be_suppressed_as_repeated(sent: Run) -> None:
    submit = ("submit", "campaign.toml", "--recipients", "customers.csv")
    asked = sent(*submit)
    assert asked.exit_code == 2
    assert "; 2 of them will be suppressed: the same text went to their numbers within 30m; nothing" in asked.stderr
    done = sent(*submit, "--yes")
    assert done.exit_code == 0
    words = "warning: 2 of these messages will be suppressed: the same text went to their numbers within 30m"
    assert words in done.stderr.splitlines()


def test_a_first_submit_says_nothing_of_repetitions(run: Run) -> None:
    assert "suppressed" not in run("submit", "campaign.toml", "--recipients", "customers.csv", "--again").stderr


async def test_a_campaign_that_starts_later_is_counted_as_of_its_start(
    sent: Run, write: WriteFile, redis_url: str
) -> None:
    del sent
    start = datetime.now(UTC) + timedelta(hours=2)
    campaign = write("later.toml", CAMPAIGN + f"start_at = {start.isoformat(timespec='seconds')}\n")
    settings = load_settings(write("dispatch.toml", SETTINGS), redis_url)
    draft = Draft(campaign, write("customers.csv", csv_of(people(5))), settings=settings)
    async with connect(redis_url) as redis:
        assert await count_repetitions(redis, settings, draft, datetime.now(UTC)) == Repetitions()


def test_every_reason_has_a_line() -> None:
    sender = SenderSettings(category="service", max_per_number="3 in 24h")
    assert list(repetitions_in_words(Repetitions(1, 2, 3), sender)) == [
        "1 of them will be suppressed: the same text went to their numbers within 30m",
        "2 of them will be suppressed: max_per_number allows 3 in 24h",
        "3 of them will wait: an earlier message to their numbers is still being sent",
    ]
    assert list(repetitions_in_words(Repetitions(), sender)) == []


def test_check_says_how_many_rows_have_dead_numbers_also_without_any_opt_out(
    run: Run, campaign: Path, write: WriteFile, redis_url: str
) -> None:
    write("customers.csv", csv_of(people(3)))

    async def report_dead() -> None:
        async with connect(redis_url) as redis:
            rule = DeadNumberRule(codes=frozenset({910}), keep_days=180)
            await DeadNumbers(redis, rule).add({"919000000001": 910})

    check = ("check", str(campaign), "--recipients", "customers.csv")
    assert json.loads(run(*check, "--json").stdout)["dead_numbers"] == 0
    asyncio.run(report_dead())
    assert "          1 of them will be suppressed: a dead number" in run(*check).stdout.splitlines()
    answer = json.loads(run(*check, "--json").stdout)
    assert (answer["good"], answer["dead_numbers"], answer["opted_out"]) == (3, 1, 0)
    assert json.loads(run(*check, "--json", "--no-redis").stdout)["dead_numbers"] is None


@pytest.fixture
async def failed(campaign: Path, write: WriteFile, settings: Settings, redis: Redis, redis_url: str) -> CampaignId:
    """A campaign of five messages that were sent just now, all of which failed."""
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
    assert later.suppressed == Suppressions(1, 1), "half an hour later the text may be sent again"


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
