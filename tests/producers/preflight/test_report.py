import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from producers.draft import Draft
from producers.errors import InputInvalid
from producers.preflight.ledger_snapshot import CampaignAhead, SenderSnapshot, take_snapshot
from producers.preflight.report import CheckReport, check
from producers.preflight.suppressions import Suppressions, counter_of
from producers.submit import submit
from tests.kit.producers import CAMPAIGN, SETTINGS, WriteFile, csv_of, people
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings

NOON = datetime(2026, 11, 8, 6, 30, tzinfo=UTC)
"""Noon in India."""


def settings_of(write: WriteFile, text: str = SETTINGS) -> Settings:
    return load(write("dispatch.toml", text), {}, need=frozenset[Need]())


async def checked(
    write: WriteFile,
    settings: Settings,
    rows: list[tuple[str, str, str]],
    *lines: str,
    now: datetime = NOON,
    ledger: SenderSnapshot | None = None,
    redis: Redis | None = None,
) -> CheckReport:
    campaign = write("c.toml", CAMPAIGN + "\n".join(lines) + "\n")
    draft = Draft(campaign, write("customers.csv", csv_of(rows)), settings=settings)
    suppressed = counter_of(redis, settings, draft, now) if redis else None
    return await check(draft, now=now, ledger=ledger, suppressed=suppressed)


async def test_the_report_counts_what_submit_would_do_and_nothing_is_written(write: WriteFile, tmp_path: Path) -> None:
    rows = [*people(3), ("", "Asha", "5"), ("98", "Ravi", "6"), people(1)[0], ("9000000009", "आशा", "7")]

    report = await checked(write, settings_of(write), rows)

    assert (report.good, report.parts, report.gsm_messages, report.ucs2_messages) == (4, 4, 3, 1)
    assert sum(report.refused.values()) == 3
    assert report.rejects is None
    assert not list(tmp_path.glob("*rejects*"))  # noqa: ASYNC240  # nothing else runs meanwhile
    assert (report.suppressed, report.ledger, report.problems) == (None, None, [])


async def test_examples_have_the_line_the_masked_number_the_reason_and_advice(write: WriteFile) -> None:
    rows = [
        *people(1),
        ("98765", "Asha", "5"),
        ("9000000005", "see evil.in/x", "5"),
        ("9000000006", "x" * 31, "5"),
    ]

    report = await checked(write, settings_of(write), rows)

    [number], [link], [long] = report.examples.values()
    assert (number.line, number.to, number.reason, number.value) == (3, "98***", "number", "98***")
    assert (link.line, link.to, link.reason, link.value) == (4, "9000***005", "link", "evil.in/x")
    assert (long.line, long.reason, long.value) == (5, "slot", "x" * 31)
    assert link.advice.startswith("have the link whitelisted")


async def test_there_are_at_most_three_examples_of_a_reason(write: WriteFile) -> None:
    report = await checked(write, settings_of(write), [*people(1), *[("", "Asha", "5")] * 5])

    assert report.refused == {"to is empty": 5}
    assert [example.line for example in report.examples["to is empty"]] == [3, 4, 5]


async def test_the_cost_is_compared_with_the_budget(write: WriteFile) -> None:
    settings = settings_of(
        write, SETTINGS.replace("rate_per_s = 500", 'rate_per_s = 500\nprice_per_part = "12.5 paise"')
    )

    fits = await checked(write, settings, people(8), 'max_money = "Rs 1"')
    too_much = await checked(write, settings, people(9), 'max_money = "Rs 1"')

    assert (str(fits.cost), fits.plan.max_parts, fits.problems) == ("1.000", 8, [])
    assert too_much.problems == [
        "the campaign takes 9 parts and max_money = Rs 1.00 allows 8: the remaining parts are not sent"
    ]


@pytest.fixture(params=["America/New_York", "Asia/Kolkata"])
def machine_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run each test in the time zone of New York, and in the time zone of India."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("machine_zone")
@pytest.mark.parametrize(
    ("clock", "starts", "finishes"),
    [
        ("04:29:59", "04:30:00", "04:30:02"),
        ("04:30:00", "04:30:00", "04:30:02"),
        ("15:29:58", "15:29:58", "15:30:00"),
        ("15:29:59", "15:29:59", "28:30:01"),
        ("15:30:00", "28:30:00", "28:30:02"),
    ],
)
async def test_promotional_messages_start_and_finish_in_their_hours(
    write: WriteFile, clock: str, starts: str, finishes: str
) -> None:
    def utc(text: str) -> datetime:
        hours, minutes, seconds = map(int, text.split(":"))
        return datetime(2026, 11, 8, tzinfo=UTC) + timedelta(hours=hours, minutes=minutes, seconds=seconds)

    text = SETTINGS.replace('"service"', '"promotional"').replace("rate_per_s = 500", "rate_per_s = 5")

    report = await checked(write, settings_of(write, text), people(10), now=utc(clock))

    assert (report.forecast.estimate.starts, report.forecast.estimate.finishes) == (utc(starts), utc(finishes))


async def test_messages_that_would_expire_are_a_problem(write: WriteFile) -> None:
    settings = settings_of(write, SETTINGS.replace("rate_per_s = 500", "rate_per_s = 0.1"))

    report = await checked(write, settings, people(7), 'validity = "1m"')

    assert report.forecast.estimate.unsent == 1
    [problem] = report.problems
    assert problem.startswith("the campaign does not finish in time: about 1 message would expire")


CAPPED = SETTINGS.replace("rate_per_s = 500", "rate_per_s = 500\nmax_parts_per_day = 10")


async def test_messages_beyond_the_daily_limit_are_a_problem(write: WriteFile) -> None:
    report = await checked(write, settings_of(write, CAPPED), people(25))

    assert (report.forecast.estimate.finishes, report.forecast.estimate.unsent) == (None, 5)
    late, beyond = report.problems
    assert late.startswith(
        "the campaign does not finish in time: about 5 messages would expire; start earlier, end later, or"
    )
    assert late.endswith("raise the rate or the cap of the day")
    assert (
        beyond
        == "the campaign takes 25 parts and sender TIMESM may send 10 a day: the remaining parts wait for the next day"
    )


async def test_parts_of_today_count_only_for_a_campaign_that_starts_today(write: WriteFile) -> None:
    settings, ledger = settings_of(write, CAPPED), SenderSnapshot(rate_per_s=500, parts_today=9)

    today = await checked(write, settings, people(2), ledger=ledger)
    tomorrow = await checked(write, settings, people(2), "start_at = 2026-11-09T00:00:00", ledger=ledger)

    midnight = datetime(2026, 11, 8, 18, 30, tzinfo=UTC)
    assert (today.forecast.parts_today, today.forecast.max_parts_per_day) == (9, 10)
    assert today.forecast.estimate.finishes is not None
    assert timedelta() <= today.forecast.estimate.finishes - midnight < timedelta(seconds=1)
    assert today.problems[0].startswith(
        "the campaign takes 2 parts and sender TIMESM may send 10 a day, of which 9 are used"
    )
    assert (tomorrow.forecast.parts_today, tomorrow.problems) == (0, [])


async def test_the_daily_limit_counts_parts_where_the_rate_counts_messages(write: WriteFile) -> None:
    settings = settings_of(write, CAPPED)
    hindi = [(str(9_000_000_000 + n), "आशा" * 10, "आशा" * 8) for n in range(6)]

    fits = await checked(write, settings, hindi[:5], 'validity = "1h"')
    too_much = await checked(write, settings, hindi, 'validity = "1h"')

    assert (fits.good, fits.parts, fits.forecast.estimate.unsent) == (5, 10, 0)
    assert (too_much.parts, too_much.forecast.estimate.unsent) == (12, 1)


async def test_without_a_good_row_there_is_a_problem(write: WriteFile) -> None:
    report = await checked(write, settings_of(write), [("", "Asha", "5")])

    assert (report.good, report.problems, report.samples) == (0, ["no row can be used"], [])


async def test_a_campaign_that_can_never_be_sent_is_refused(write: WriteFile) -> None:
    with pytest.raises(InputInvalid, match="finish_by: is past"):
        await checked(write, settings_of(write), people(1), "finish_by = 2026-11-08T11:00:00")


async def test_the_campaigns_own_text_is_compared_row_by_row(write: WriteFile) -> None:
    campaign = write("c.toml", CAMPAIGN.replace('variables = ["{name}", "Rs {amount}"]', 'text = "{name}"'))
    good = "Dear Asha, your bill is 5. - TIMESM"
    texts = [good, f" {good} ", f"{good}!", "Hello"]
    rows = [(str(9_000_000_001 + number), f'"{text}"', "") for number, text in enumerate(texts)]

    report = await check(Draft(campaign, write("customers.csv", csv_of(rows)), settings=settings_of(write)), now=NOON)

    assert report.good == 2
    assert report.samples[0].text == good
    assert set(report.refused) == {
        "text differs from the registered text: it lacks '. - TIMESM'",
        "text differs from the registered text: it lacks 'Dear ' at its start",
    }


async def test_a_sender_that_is_stopped_is_a_warning(
    write: WriteFile, settings: Settings, campaign: Path, redis: Redis
) -> None:
    other = Draft(campaign, write("others.csv", csv_of(people(1))), settings=settings)
    plan = (await submit(other, settings=settings, redis=redis)).plan
    await Control(redis).pause_sender(plan.sender)

    report = await checked(write, settings, people(2), ledger=await take_snapshot(redis, plan))

    assert report.warnings == ["sender TIMESM sends nothing now: it is paused"]


async def test_numbers_on_the_opt_out_list_are_counted_and_stay(
    write: WriteFile, settings: Settings, redis: Redis
) -> None:
    assert (await checked(write, settings, people(3), redis=redis)).suppressed == Suppressions()

    await OptOuts(redis).add(["919000000001", "919000000002"])
    report = await checked(write, settings, people(3), redis=redis)

    assert (report.good, report.suppressed) == (3, Suppressions(opted_out=2))


async def test_the_senders_other_campaigns_are_counted(
    write: WriteFile, settings: Settings, campaign: Path, redis: Redis
) -> None:
    other = Draft(campaign, write("others.csv", csv_of(people(40))), settings=settings)
    submitted = await submit(other, settings=settings, redis=redis)
    await Control(redis).set_rate(submitted.plan.sender, 4)

    ledger = await take_snapshot(redis, submitted.plan)
    report = await checked(write, settings, people(10, first=50), ledger=ledger)

    assert ledger == SenderSnapshot(rate_per_s=4, others=[CampaignAhead(submitted.campaign, "bills", 40)])
    assert (report.forecast.rate_per_s, report.forecast.estimate.ahead) == (4, 10)
    assert report.forecast.estimate.finishes == NOON + timedelta(seconds=5)
