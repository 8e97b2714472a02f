import pytest
from pydantic import ValidationError

from times_dispatch.ledger.model import RetryRule
from times_dispatch.settings.tables.retries import RetrySettings


def test_without_codes_no_message_is_sent_again() -> None:
    assert RetrySettings().rule is None


def test_codes_alone_make_a_rule_of_three_tries() -> None:
    rule = RetrySettings(codes=["914", "912", "912"]).rule
    assert rule == RetryRule(codes=[912, 914], after_s=[900, 3_600, 21_600], at_most=3)


def test_at_most_none_turns_the_rule_off() -> None:
    assert RetrySettings(codes=["912"], at_most=0).rule is None


@pytest.mark.parametrize(("at_most", "after_s"), [(1, [60]), (2, [60, 120]), (3, [60, 120])])
def test_the_last_time_holds_for_all_further_tries(at_most: int, after_s: list[int]) -> None:
    rule = RetrySettings(codes=["912"], after=["1m", "2m"], at_most=at_most).rule
    assert rule == RetryRule(codes=[912], after_s=after_s, at_most=at_most)


@pytest.mark.parametrize(
    "wrong",
    [
        {"codes": ["91O"]},
        {"codes": ["123456"]},
        {"codes": [912]},
        {"codes": ["912"] * 101},
        {"after": []},
        {"after": ["0s"]},
        {"after": ["1h"] * 11},
        {"at_most": -1},
        {"at_most": 11},
    ],
)
def test_a_wrong_value_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RetrySettings.model_validate(wrong)
