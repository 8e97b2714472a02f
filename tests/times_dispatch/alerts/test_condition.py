"""The texts of alerts contain no phone number and no terminal control characters."""

import pytest

from tests.kit.observation import campaign_view
from times_dispatch.alerts.condition import Condition, campaign_in_words, masked_line
from times_dispatch.ledger.monitoring.alerts import AlertKind
from times_dispatch.ledger.states import CampaignState


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("insufficient balance (6001)", "insufficient balance (6001)"),
        ("to 919876543210 failed", "to … failed"),
        ("+91 98765-43210", "…"),
        ("(987) 654 3210", "…"),
        ("123456", "123456"),
        ("1234567", "…"),
        ("a\x1b]0;b\nc", "a\\u001b]0;b\\nc"),
        ("x" * 300, "x" * 200),
    ],
)
def test_foreign_text_is_one_line_without_long_numbers(text: str, shown: str) -> None:
    assert masked_line(text) == shown


def test_a_campaign_is_named_without_the_number_in_its_name() -> None:
    view = campaign_view(CampaignState.RUNNING, name="sale for 98765 43210")
    assert campaign_in_words(view) == "campaign diwali01 (sale for …) of sender TIMESM"


def test_the_id_of_an_alert_is_its_kind_and_subject() -> None:
    assert Condition(kind=AlertKind.BRAKED, subject="campaign:a", text="").id == "braked:campaign:a"
