from datetime import UTC, datetime

import pytest

from producers.campaign.file import Campaign
from producers.errors import InputInvalid
from tests.kit.producers import CAMPAIGN, SETTINGS, WriteFile, load_settings
from times_dispatch.ledger.model import RetryRule

NOW = datetime(2026, 11, 8, 6, 30, tzinfo=UTC)
RULE = '[retry_failed]\ncodes = ["912"]\nafter = ["40m"]\n'


def campaign_of(write: WriteFile, *, settings: str = "", own: str = "", field: str = "") -> Campaign:
    return Campaign(write("c.toml", CAMPAIGN + field + own), load_settings(write("dispatch.toml", SETTINGS + settings)))


def test_without_a_rule_no_message_is_sent_again(write: WriteFile) -> None:
    assert campaign_of(write).plan(NOW).retry is None


def test_the_rule_of_the_campaign_file_is_in_the_plan(write: WriteFile) -> None:
    assert campaign_of(write, own=RULE).plan(NOW).retry == RetryRule(codes=[912], after_s=[2_400], at_most=1)


def test_the_rule_of_the_settings_holds_for_campaigns_without_one(write: WriteFile) -> None:
    assert campaign_of(write, settings=RULE).plan(NOW).retry == RetryRule(codes=[912], after_s=[2_400], at_most=1)
    own = '[retry_failed]\ncodes = ["914"]\n'
    rule = campaign_of(write, settings=RULE, own=own).plan(NOW).retry
    assert rule == RetryRule(codes=[914], after_s=[900, 3_600, 21_600], at_most=3)


def test_a_campaign_turns_the_rule_of_the_settings_off(write: WriteFile) -> None:
    assert campaign_of(write, settings=RULE, own="[retry_failed]\nat_most = 0\n").plan(NOW).retry is None


def test_a_rule_without_codes_is_refused(write: WriteFile) -> None:
    with pytest.raises(InputInvalid, match=r"c.toml:\d+: retry_failed: needs codes of failed reports"):
        campaign_of(write, own='[retry_failed]\nafter = ["1h"]\n')


@pytest.mark.parametrize(
    ("field", "own", "warning"),
    [
        ("", '[retry_failed]\ncodes = ["910", "912"]\nafter = ["1h"]\n', "retry_failed names code 910, after which"),
        ("", '[retry_failed]\ncodes = ["912"]\nafter = ["29m"]\n', "sends the same text again after 29m"),
        ('validity = "40m"\n', RULE, "retry_failed has no effect: the validity ends within 40m"),
    ],
)
def test_a_rule_with_another_effect_than_expected_gets_a_warning(
    write: WriteFile, field: str, own: str, warning: str
) -> None:
    assert [line for line in campaign_of(write, own=own, field=field).warnings(NOW) if warning in line]


def test_a_plain_rule_gets_no_warning(write: WriteFile) -> None:
    assert not [line for line in campaign_of(write, own=RULE).warnings(NOW) if "retry_failed" in line]
