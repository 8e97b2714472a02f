from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from producers.campaign.file import Campaign, same_but_for_times
from tests.kit.producers import CAMPAIGN, HEADING, SETTINGS, WriteFile, campaign_mistakes, load_settings
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings

NOW = datetime(2026, 11, 8, 4, 30, tzinfo=UTC)
"""10:00 in Kolkata."""


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def test_the_plan_holds_what_workers_need(campaign: Path, settings: Settings) -> None:
    plan = Campaign(campaign, settings).plan(NOW)

    assert (plan.name, plan.sender, plan.provider, plan.template) == ("bills", "TIMESM", "tm", "bill")
    assert plan.text == "Dear {#var#}, your bill is {#var#}. - TIMESM"
    assert (plan.content_id, plan.entity_id) == ("1107000000000000001", "1234567890123456789")
    assert (plan.category, plan.cost_unit, plan.urgent) == ("service", "messages", False)
    assert (plan.in_doubt, plan.rate_per_s, plan.start_at_ms) == ("give_up", 0.0, 0)
    assert plan.valid_until_ms == ms(NOW + timedelta(hours=24))


def test_every_default_can_be_overridden(write: WriteFile, settings: Settings) -> None:
    path = write(
        "c.toml",
        'name = "closed"\nsender = "OTHERS"\ntemplate = "plain"\nto = "mobile"\nvalidity = "1d12h30m"\n'
        'in_doubt = "resend"\nrate_per_s = 5\nstart_at = 2026-11-08T12:00:00\n',
    )

    campaign = Campaign(path, settings)

    plan = campaign.plan(NOW)
    assert (plan.cost_unit, plan.urgent, plan.in_doubt, plan.rate_per_s) == ("parts", True, "resend", 5.0)
    assert plan.start_at_ms == ms(NOW + timedelta(hours=2))
    assert plan.valid_until_ms == ms(NOW + timedelta(hours=2 + 36, minutes=30))
    assert campaign.table.to == "mobile"
    assert campaign.slot_source(HEADING).values({}, 2) == ([], {})


@pytest.mark.parametrize(
    "start_at",
    [
        "2026-11-08T12:00:00",
        "2026-11-08 12:00:00",
        "2026-11-08T06:30:00Z",
        "2026-11-08T14:30:00+08:00",
        '"2026-11-08T12:00"',
        '"2026-11-08T06:30:00+00:00"',
    ],
)
def test_a_time_without_a_zone_is_in_kolkata(write: WriteFile, settings: Settings, start_at: str) -> None:
    path = write("c.toml", CAMPAIGN + f"start_at = {start_at}\n")

    assert Campaign(path, settings).plan(NOW).start_at_ms == ms(NOW + timedelta(hours=2))


def test_validity_counts_from_the_submit_when_the_start_is_past(write: WriteFile, settings: Settings) -> None:
    path = write("c.toml", CAMPAIGN + 'start_at = 2026-11-07T12:00:00\nvalidity = "90m"\n')

    assert Campaign(path, settings).plan(NOW).valid_until_ms == ms(NOW + timedelta(minutes=90))


def test_a_validity_may_be_seconds(write: WriteFile, settings: Settings) -> None:
    path = write("c.toml", CAMPAIGN + 'validity = "1m30s"\n')

    assert Campaign(path, settings).plan(NOW).valid_until_ms == ms(NOW + timedelta(seconds=90))


def test_plans_of_two_moments_differ_only_in_their_times(campaign: Path, settings: Settings) -> None:
    first = Campaign(campaign, settings).plan(NOW)
    second = Campaign(campaign, settings).plan(NOW + timedelta(hours=1))

    assert first != second
    assert same_but_for_times(second, first)
    campaign.write_text(CAMPAIGN.replace('"bills"', '"other"'))
    assert not same_but_for_times(Campaign(campaign, settings).plan(NOW), first)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"TIMESM"', '"TIMESN"', "c.toml:2: sender: there is no sender TIMESN; did you mean TIMESM?"),
        ('"TIMESM"', '"OTHERS"', "c.toml:3: template: bill is not registered for OTHERS, only for TIMESM"),
        ('"bill"', '"bil"', "c.toml:3: template: there is no template bil; did you mean bill?"),
        ('"bill"', '"xyz"', "c.toml:3: template: there is no template xyz; there is bill, plain"),
        ('"bill"', '"plain"', "c.toml:4: variables: has 2 entries, template plain has 0 slots"),
        ('"{name}", ', "", "c.toml:4: variables: has 1 entry, template bill has 2 slots"),
        ("{amount}", "{amuont}", "c.toml:4: variables.1: customers.csv has no column amuont; did you mean {amount}?"),
        ("{amount}", "{amount", "c.toml:4: variables.1: the { at character 4 stands alone; write it twice"),
        ("Rs {amount}", "x" * 31, "c.toml:4: variables.1: has 31 characters, 30 are allowed"),
        ('name = "bills"', 'name = ""', "c.toml:1: name: must not be empty"),
        ('name = "bills"', 'name = "a\\nb"', "c.toml:1: name: must be one line, without spaces around it"),
        ('name = "bills"', "name = 5", "c.toml:1: name: must be a text in quotes, is a number"),
        ('name = "bills"\n', "", "c.toml: name: is missing"),
        (
            '"TIMESM"\n',
            '"TIMESM"\nvalidty = "1h"\n',
            "c.toml:3: validty: there is no such setting; did you mean validity?",
        ),
        ("name =", "name ", "c.toml:1: is not TOML: "),
    ],
)
def test_a_mistake_names_file_line_and_field(
    write: WriteFile, settings: Settings, old: str, new: str, expected: str
) -> None:
    [mistake] = campaign_mistakes(write("c.toml", CAMPAIGN.replace(old, new, 1)), settings)

    assert mistake.startswith(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('validity = "24"', "validity: must be days, hours, minutes and seconds as in 24h, 90m, 1d12h or 45s, is '24'"),
        ('validity = "0h"', "validity: must be days, hours, minutes and seconds as in 24h, 90m, 1d12h or 45s, is '0h'"),
        ('validity = ""', "validity: must be days, hours, minutes and seconds as in 24h, 90m, 1d12h or 45s, is ''"),
        ("validity = 24", "validity: must be a text in quotes, is a number"),
        ('in_doubt = "maybe"', "in_doubt: must be give_up or resend, is maybe"),
        ("rate_per_s = 0", "rate_per_s: must be above 0, is 0"),
        ("rate_per_s = -1.5", "rate_per_s: must be above 0, is -1.5"),
        ("rate_per_s = 0.0099", "rate_per_s: must be at least 0.01, is 0.0099"),
        ("rate_per_s = nan", "rate_per_s: must be a finite number"),
        ("rate_per_s = inf", "rate_per_s: must be a finite number"),
        ('rate_per_s = "5"', "rate_per_s: must be a number, is a text"),
        ("start_at = 2026-11-08", "start_at: needs a time as well, as in 2026-11-08T10:00:00"),
        ('start_at = "2026-11-08"', "start_at: needs a time as well, as in 2026-11-08T10:00:00"),
        ('start_at = "tomorrow"', "start_at: must be a date and time as in 2026-11-08T10:00:00, is 'tomorrow'"),
        ("start_at = 10:00:00", "start_at: "),
        ("start_at = 9999-12-31T23:00:00", "start_at: must be in a year from 2000 to 2999, is in 9999"),
        ("finish_by = 0001-01-01T00:00:00", "finish_by: must be in a year from 2000 to 2999, is in 1"),
        ('to = ""', "to: "),
    ],
)
def test_a_value_out_of_range_is_refused(write: WriteFile, settings: Settings, line: str, expected: str) -> None:
    [mistake] = campaign_mistakes(write("c.toml", CAMPAIGN + line + "\n"), settings)

    assert mistake.startswith(f"c.toml:5: {expected}")


@pytest.mark.parametrize(
    ("one", "other", "mistake"),
    [
        ('variables = ["{name}", "{amount}"]', 'text = "x"', "text: cannot be combined with variables"),
        ('validity = "1h"', "finish_by = 2026-11-09T10:00:00", "finish_by: cannot be combined with validity"),
        ("max_parts = 5", 'max_money = "Rs 5"', "max_money: cannot be combined with max_parts"),
    ],
)
def test_two_alternative_fields_are_refused(
    write: WriteFile, settings: Settings, one: str, other: str, mistake: str
) -> None:
    path = write("c.toml", "".join(CAMPAIGN.splitlines(keepends=True)[:3]) + f"{one}\n{other}\n")

    assert f"c.toml:5: {mistake}; leave one of them out" in campaign_mistakes(path, settings)


def test_a_sender_sends_only_the_templates_that_it_is_allowed(write: WriteFile) -> None:
    path = write("dispatch.toml", SETTINGS.replace("rate_per_s = 500", 'rate_per_s = 500\ntemplates = ["plain"]'))
    allowed = load(path, {}, need=frozenset[Need]())

    assert campaign_mistakes(write("c.toml", CAMPAIGN), allowed) == [
        "c.toml:3: template: TIMESM may not send bill, only plain"
    ]


def test_a_text_with_a_placeholder_that_nothing_fills_is_a_mistake(write: WriteFile) -> None:
    settings = load_settings(write("dispatch.toml", SETTINGS.replace("Dear {#var#}", "Dear ##name## {#var#}")))
    path = write("c.toml", CAMPAIGN)

    assert campaign_mistakes(path, settings) == [
        (
            "c.toml:3: template: the text of bill contains ##name##, which looks like a placeholder that nothing "
            "fills; a slot is written {#var#}"
        )
    ]


def test_links_in_the_registered_text_must_be_whitelisted(write: WriteFile) -> None:
    text = SETTINGS.replace("is {#var#}.", "is {#var#}, see times.in/pay?x=1.")
    campaign = write("c.toml", CAMPAIGN)

    [mistake] = campaign_mistakes(campaign, load(write("a.toml", text), {}, need=frozenset[Need]()))
    assert mistake.startswith(
        "c.toml:3: template: the text of bill links to times.in/pay?x=1, which is not whitelisted"
    )

    for table in ("[senders.TIMESM]", "[templates.bill]"):
        listed = write("b.toml", text.replace(table, f'{table}\nlinks = ["https://times.in/pay?"]'))
        Campaign(campaign, load(listed, {}, need=frozenset[Need]()))


def test_things_that_may_be_wrong_are_warnings(write: WriteFile) -> None:
    text = SETTINGS.replace("closed tomorrow", "closed tomorrow, call 1800 123 4567")
    campaign = write("c.toml", 'name = "x"\nsender = "OTHERS"\ntemplate = "plain"\n')

    assert list(Campaign(campaign, load(write("a.toml", text), {}, need=frozenset[Need]())).warnings(NOW)) == [
        "sender OTHERS has no entity_id in the settings: the DLT knows its messages by this id",
        "the text contains 1800 123 4567, and the settings have no callback_numbers to compare the number with",
    ]


def test_all_mistakes_are_named_at_once(write: WriteFile, settings: Settings) -> None:
    path = write("c.toml", 'name = ""\nsender = "TIMESN"\ntemplate = "bil"\nvalidity = "x"\n')

    assert [mistake.split(": ")[1] for mistake in campaign_mistakes(path, settings)] == [
        "name",
        "validity",
        "sender",
        "template",
    ]


def test_a_missing_file_is_named(tmp_path: Path, settings: Settings) -> None:
    assert campaign_mistakes(tmp_path / "c.toml", settings) == ["c.toml: there is no such file"]
