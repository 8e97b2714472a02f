from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from producers.draft import Draft
from producers.errors import InputInvalid
from tests.kit.producers import CAMPAIGN, SETTINGS, WriteFile
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings

OTHER = """
[providers.other]
method = "POST"
endpoint = "https://sms.example/send"
encoding = "form"
custom = { unit = "shop" }
payload = { to = "$$To", text = "$$Body", ref = "$$MessageID", r = "$$route", p = "$$points", u = "$$unit" }
answers = { http = { accepted = [200] } }
"""
ROWS = "to,name,amount,points\n" + "".join(f"{9_000_000_000 + n},P{n},{n},{n * 10}\n" for n in range(7))


@pytest.fixture
def grouped(write: WriteFile, redis_url: str) -> Settings:
    """A sender that falls back on a provider with placeholders of its own."""
    text = SETTINGS.replace('preset = "timesmobile-post"', 'preset = "timesmobile-post"\ndefault = true', 1)
    text = text.replace("[senders.TIMESM]", '[senders.TIMESM]\nprovider = ["tm", "other"]', 1)
    path = write("dispatch.toml", text + OTHER)
    return load(path, {"DISPATCH_REDIS_URL": redis_url}, need=frozenset({Need.LEDGER}))


def drafted(write: WriteFile, settings: Settings, custom: str, rows: str = ROWS) -> Draft:
    campaign = write("campaign.toml", CAMPAIGN + custom)
    return Draft(campaign, write("customers.csv", rows), settings=settings)


def test_values_are_constant_or_come_from_a_column_and_stay_with_their_message(
    write: WriteFile, grouped: Settings
) -> None:
    rows = ROWS.replace("9000000002,", "12,").replace("9000000004,", "9000000003,")
    draft = drafted(write, grouped, '[custom]\nroute = "4"\npoints = "{points} pts"\n', rows)
    with draft.read() as row_pass:
        batches = list(row_pass.batches(2))
    assert [batch.to for batch in batches] == [
        ["919000000000", "919000000001"],
        ["919000000003", "919000000005"],
        ["919000000006"],
    ]
    assert [batch.custom for batch in batches] == [
        {"points": ["0 pts", "10 pts"]},
        {"points": ["30 pts", "50 pts"]},
        {"points": ["60 pts"]},
    ]
    assert draft.campaign.custom.constants == {"route": "4"}


def test_constant_custom_values_are_not_stored_with_each_batch(write: WriteFile, grouped: Settings) -> None:
    draft = drafted(write, grouped, '[custom]\nroute = "{{4}}"\npoints = ""\nunit = "x"\n')
    with draft.read() as row_pass:
        assert [batch.custom for batch in row_pass.batches(500)] == [{}]
    assert draft.campaign.custom.constants == {"route": "{4}", "points": "", "unit": "x"}


def test_unknown_and_missing_custom_values_are_named_together(write: WriteFile, grouped: Settings) -> None:
    with pytest.raises(InputInvalid) as invalid:
        drafted(write, grouped, '[custom]\nrout = "4"\n')
    place = Path(invalid.value.mistakes[0].partition(":")[0])
    assert place.name == "campaign.toml"
    assert [mistake.partition(": ")[2] for mistake in invalid.value.mistakes] == [
        "custom.rout: there is no $$rout in the payload of tm or other; did you mean route?",
        'custom: route is missing: provider other needs route = "…", or "{column}"',
        'custom: points is missing: provider other needs points = "…", or "{column}"',
    ]


@pytest.mark.parametrize(
    ("text", "reason"), [("{pints}", "has no column pints; did you mean {points}?"), ("{points", "stands alone")]
)
def test_a_missing_column_is_named(write: WriteFile, grouped: Settings, text: str, reason: str) -> None:
    with pytest.raises(InputInvalid) as invalid:
        drafted(write, grouped, f'[custom]\nroute = "4"\npoints = "{text}"\n')
    (only,) = invalid.value.mistakes
    assert "custom.points: " in only
    assert reason in only


def test_the_plan_has_the_chain_of_providers_and_the_constant_values(write: WriteFile, grouped: Settings) -> None:
    draft = drafted(write, grouped, '[custom]\nroute = "4"\npoints = "{points}"\n')
    plan = draft.campaign.plan(datetime(2026, 11, 8, 12, tzinfo=ZoneInfo("Asia/Kolkata")))
    assert (plan.provider, plan.fallbacks, plan.custom) == ("tm", ["other"], {"route": "4"})


IN_HEADER = OTHER.replace("endpoint =", 'headers = { X-Route = "r $$route" }\nendpoint =')


def in_header(write: WriteFile) -> Settings:
    text = SETTINGS.replace('preset = "timesmobile-post"', 'preset = "timesmobile-post"\ndefault = true', 1)
    text = text.replace("[senders.TIMESM]", '[senders.TIMESM]\nprovider = ["tm", "other"]', 1)
    return load(write("dispatch.toml", text + IN_HEADER), {}, need=frozenset[Need]())


def test_a_row_whose_value_no_header_takes_is_refused(write: WriteFile) -> None:
    rows = 'to,name,amount,points\n9000000000,A,1,fine\n9000000001,B,2,आशा\n9000000002,C,3,"a\r\nX-Evil: 1"\n'
    draft = drafted(write, in_header(write), '[custom]\nroute = "{points}"\npoints = "{points}"\n', rows)

    with draft.read(rejects=False) as row_pass:
        [batch] = row_pass.batches(10)

    assert batch.custom == {"route": ["fine"], "points": ["fine"]}
    reason = "custom.route is sent in an HTTP header, and must be one line of ASCII"
    assert row_pass.checker.refused == {reason: 2}
    assert [row.finding.value for row in row_pass.checker.examples[reason]] == ["आशा", "a\r\nX-Evil: 1"]


def test_a_value_outside_headers_may_be_anything(write: WriteFile, grouped: Settings) -> None:
    rows = "to,name,amount,points\n9000000000,A,1,आशा\n"
    draft = drafted(write, grouped, '[custom]\nroute = "4"\npoints = "{points}"\n', rows)

    with draft.read(rejects=False) as row_pass:
        assert [batch.custom for batch in row_pass.batches(10)] == [{"points": ["आशा"]}]


def test_an_empty_cell_of_a_custom_column_is_refused(write: WriteFile, grouped: Settings) -> None:
    rows = "to,name,amount,points\n9000000000,A,1,10\n9000000001,B,2, \n"
    draft = drafted(write, grouped, '[custom]\nroute = "4"\npoints = "{points} pts"\n', rows)

    with draft.read(rejects=False) as row_pass:
        assert [batch.custom for batch in row_pass.batches(10)] == [{"points": ["10 pts"]}]

    assert row_pass.checker.refused == {"points is empty": 1}


def test_a_constant_that_no_header_takes_is_refused(write: WriteFile) -> None:
    with pytest.raises(InputInvalid, match=r"custom\.route: is sent in an HTTP header, and must be one line of ASCII"):
        drafted(write, in_header(write), '[custom]\nroute = "आशा"\npoints = "1"\n')
