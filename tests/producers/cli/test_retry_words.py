import pytest

from producers.cli.retry_words import retry_rule_in_words
from times_dispatch.ledger.model import RetryRule


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            RetryRule(codes=[912, 914], after_s=[900, 3_600], at_most=2),
            "failed with code 912 or 914: sent again after 15m, 1h, at most 2 times",
        ),
        (RetryRule(codes=[912], after_s=[45], at_most=1), "failed with code 912: sent again after 45 s, at most once"),
    ],
)
def test_a_rule_is_one_line(rule: RetryRule, words: str) -> None:
    assert retry_rule_in_words(rule) == words
