import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from producers.campaign.file import Campaign
from producers.errors import InputInvalid
from tests.kit.producers import CAMPAIGN, SETTINGS, WriteFile
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings

IST = ZoneInfo("Asia/Kolkata")


def ist(clock: str, day: int = 8) -> datetime:
    """Return a moment of November 2026 in Kolkata."""
    return datetime.fromisoformat(f"2026-11-{day:02}T{clock}").replace(tzinfo=IST)


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.fixture(params=["America/New_York", "Asia/Kolkata"])
def machine_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run each test in the time zone of New York, and in the time zone of India."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def promotional(write: WriteFile) -> Settings:
    """A sender whose messages are promotional."""
    path = write("dispatch.toml", SETTINGS.replace('category = "service"', 'category = "promotional"'))
    return load(path, {}, need=frozenset[Need]())


def campaign_with(write: WriteFile, settings: Settings, *lines: str) -> Campaign:
    return Campaign(write("c.toml", CAMPAIGN + "\n".join(lines) + "\n"), settings)


def refusal(campaign: Campaign, now: datetime) -> str:
    """Return the only reason why a campaign cannot be sent, without the folder of its file."""
    with pytest.raises(InputInvalid) as invalid:
        campaign.check(now)
    [mistake] = invalid.value.mistakes
    return mistake.removeprefix(f"{campaign.path.parent}/")


@pytest.mark.usefixtures("machine_zone")
@pytest.mark.parametrize(
    ("now", "opens"),
    [
        (ist("09:59:59"), ist("10:00:00")),
        (ist("10:00:00"), ist("10:00:00")),
        (ist("20:59:59"), ist("20:59:59")),
        (ist("21:00:00"), ist("10:00:00", 9)),
    ],
)
def test_promotional_messages_wait_for_ten_and_stop_at_nine_in_the_evening_in_india(
    write: WriteFile, promotional: Settings, now: datetime, opens: datetime
) -> None:
    campaign = campaign_with(write, promotional)

    campaign.check(now)
    plan = campaign.plan(now)

    assert (plan.send_from_min, plan.send_until_min, plan.zone) == (600, 1260, "Asia/Kolkata")
    assert campaign.schedule.at(now).opens == opens
    assert plan.valid_until_ms == ms(opens + timedelta(hours=24))
    waits = [warning for warning in campaign.warnings(now) if "nothing is sent before" in warning]
    assert bool(waits) is (opens > now)


def test_other_categories_may_be_sent_at_any_time(write: WriteFile, settings: Settings) -> None:
    plan = campaign_with(write, settings).plan(ist("23:00:00"))

    assert (plan.send_from_min, plan.send_until_min) == (0, 0)
    assert plan.valid_until_ms == ms(ist("23:00:00", 9))


def test_a_campaign_may_have_hours_of_its_own_in_its_own_zone(write: WriteFile, settings: Settings) -> None:
    campaign = campaign_with(
        write,
        settings,
        'window = "08:00-20:00"',
        'zone = "America/New_York"',
        "start_at = 2026-11-09T07:00:00",
        "finish_by = 2026-11-09T21:00:00",
    )
    new_york = ZoneInfo("America/New_York")

    plan = campaign.plan(ist("10:00:00"))

    assert (plan.send_from_min, plan.send_until_min, plan.zone) == (480, 1200, "America/New_York")
    assert plan.start_at_ms == ms(datetime(2026, 11, 9, 8, tzinfo=new_york))
    assert plan.valid_until_ms == ms(datetime(2026, 11, 9, 21, tzinfo=new_york))
    assert campaign.schedule.at(ist("10:00:00")).opens == datetime(2026, 11, 9, 8, tzinfo=new_york)


def test_a_time_with_an_offset_keeps_it(write: WriteFile, settings: Settings) -> None:
    campaign = campaign_with(
        write, settings, 'zone = "America/New_York"', "start_at = 2026-11-09T10:00:00Z", 'missed_start = "ask"'
    )

    plan = campaign.plan(ist("10:00:00"))

    assert plan.start_at_ms == ms(datetime(2026, 11, 9, 10, tzinfo=UTC))
    assert plan.missed_start == "ask"


def test_a_campaigns_hours_must_lie_within_those_of_its_category(write: WriteFile, promotional: Settings) -> None:
    now = ist("12:00:00")

    campaign_with(write, promotional, 'window = "10:00-21:00"').check(now)
    campaign_with(write, promotional, 'window = "04:30-15:30"', 'zone = "UTC"').check(now)
    for window in ("09:59-21:00", "10:00-21:01"):
        campaign = campaign_with(write, promotional, f'window = "{window}"')
        reason = "c.toml:5: window: goes beyond the hours in which the campaign may be sent, 10:00-21:00 Asia/Kolkata"
        assert refusal(campaign, now) == reason


def test_a_promotional_template_makes_every_campaign_promotional(write: WriteFile, settings: Settings) -> None:
    path = write("dispatch.toml", SETTINGS + 'category = "promotional"\n')
    settings = load(path, {}, need=frozenset[Need]())
    campaign = Campaign(write("c.toml", 'name = "x"\nsender = "OTHERS"\ntemplate = "plain"\n'), settings)

    plan = campaign.plan(ist("12:00:00"))

    assert (plan.category, plan.urgent, plan.send_from_min, plan.send_until_min) == ("promotional", False, 600, 1260)
    assert any("registered as promotional" in warning for warning in campaign.warnings(ist("12:00:00")))


def test_hours_of_a_sender_that_never_meet_those_of_the_template_are_refused(write: WriteFile) -> None:
    text = SETTINGS.replace('cost = "parts"', 'cost = "parts"\nwindow = "06:00-09:00"') + 'category = "promotional"\n'
    settings = load(write("dispatch.toml", text), {}, need=frozenset[Need]())

    with pytest.raises(
        InputInvalid, match=r"c\.toml:2: sender: the window 06:00-09:00 of the sender lies outside the hours of promot"
    ):
        Campaign(write("c.toml", 'name = "x"\nsender = "OTHERS"\ntemplate = "plain"\n'), settings)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["finish_by = 2026-11-08T12:00:00"], "c.toml:5: finish_by: is past"),
        (
            ["start_at = 2026-11-09T12:00:00", "finish_by = 2026-11-09T12:00:00"],
            "c.toml:6: finish_by: must be after start_at",
        ),
        (
            ["start_at = 2026-11-08T11:59:59", 'missed_start = "skip"'],
            "c.toml:5: start_at: is past, and missed_start = skip does not send it late",
        ),
        (
            ["finish_by = 2026-11-08T20:00:00", 'window = "08:00-10:00"'],
            "c.toml:5: finish_by: ends before the first message may be sent, in the hours 08:00-10:00 Asia/Kolkata",
        ),
    ],
)
def test_a_campaign_that_is_over_is_refused(
    write: WriteFile, settings: Settings, lines: list[str], reason: str
) -> None:
    assert refusal(campaign_with(write, settings, *lines), ist("12:00:00")) == reason


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        (["finish_by = {}"], "5: finish_by"),
        (["finish_by = {}", 'window = "04:30-15:30"', 'zone = "UTC"'], "5: finish_by"),
        (["start_at = {}", 'validity = "1s"'], "5: start_at"),
        (["start_at = 2026-11-09T12:00:00", "finish_by = {}"], "6: finish_by"),
    ],
)
def test_a_start_and_an_end_are_at_most_400_days_away(
    write: WriteFile, promotional: Settings, lines: list[str], field: str
) -> None:
    now = ist("12:00:00")
    just, over = now + timedelta(days=400), now + timedelta(days=400, seconds=1)
    fill = [line.format(f"{moment:%Y-%m-%dT%H:%M:%S}+05:30") for line in lines for moment in (just, over)]
    if "start_at" not in field:
        campaign_with(write, promotional, *fill[::2]).check(now)

    assert refusal(campaign_with(write, promotional, *fill[1::2]), now) == f"c.toml:{field}: is more than 400 days away"


def test_a_start_400_days_away_may_be_sent_within_them(write: WriteFile, settings: Settings) -> None:
    now = ist("12:00:00")
    start = f"{now + timedelta(days=399, hours=23):%Y-%m-%dT%H:%M:%S}"

    campaign_with(write, settings, f"start_at = {start}", 'validity = "1h"').check(now)
    campaign = campaign_with(write, settings, f"start_at = {start}", 'validity = "3601s"')

    assert refusal(campaign, now) == "c.toml:6: validity: is more than 400 days away"


@pytest.mark.parametrize("validity", ['validity = "401d"', 'validity = "999d"'])
def test_a_validity_is_at_most_400_days(write: WriteFile, settings: Settings, validity: str) -> None:
    assert refusal(campaign_with(write, settings, validity), ist("12:00:00")) == (
        "c.toml:5: validity: is more than 400 days away"
    )


def test_a_start_that_has_come_is_no_missed_one(write: WriteFile, settings: Settings) -> None:
    lines = ["start_at = 2026-11-08T12:00:00", 'missed_start = "skip"']

    campaign_with(write, settings, *lines).check(ist("12:00:00"))
    campaign_with(write, settings, lines[0]).check(ist("12:15:00"))


def test_validity_counts_from_the_first_moment_of_sending(write: WriteFile, promotional: Settings) -> None:
    campaign = campaign_with(write, promotional, 'validity = "2h"', "start_at = 2026-11-08T21:30:00")

    assert campaign.plan(ist("12:00:00")).valid_until_ms == ms(ist("12:00:00", 9))


@pytest.mark.parametrize(("late_s", "is_refused"), [(899, False), (900, False), (901, True)])
def test_a_start_that_is_past_for_more_than_fifteen_minutes_is_refused_unless_it_is_sent_at_once(
    write: WriteFile, settings: Settings, late_s: int, *, is_refused: bool
) -> None:
    start = datetime(2026, 11, 8, 6, 30, tzinfo=UTC)
    path = write("c.toml", CAMPAIGN + "start_at = 2026-11-08T12:00:00\n")
    now = start + timedelta(seconds=late_s)
    if is_refused:
        with pytest.raises(InputInvalid, match=r"c.toml:5: start_at: passed .* ago; give another time, or .*--now"):
            Campaign(path, settings).check(now)
    else:
        Campaign(path, settings).check(now)
    Campaign(path, settings, at_once=True).check(now)
