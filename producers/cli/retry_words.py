"""The rule for second tries and the results of second tries, in words."""

from typing import TYPE_CHECKING

from times_dispatch.ledger.model import CampaignView, RetryRule
from times_dispatch.settings.values.durations import format_duration

if TYPE_CHECKING:
    from times_dispatch.ledger.statistics.figures import Statistics


def retry_rule_in_words(rule: RetryRule) -> str:
    """Return the rule for second tries: ``failed with code 912 or 914: sent again after 15m, 1h, at most 2 times``."""
    codes = " or ".join(map(str, rule.codes))
    after = ", ".join(format_duration(seconds) for seconds in rule.after_s)
    times = "once" if rule.at_most == 1 else f"{rule.at_most} times"
    return f"failed with code {codes}: sent again after {after}, at most {times}"


def second_tries_in_words(view: CampaignView, statistics: "Statistics") -> str:
    """Return how many messages wait for a second try, were sent again, and were delivered by a second try."""
    words = [f"{view.retries_waiting:,} waiting"]
    words += [f"{messages:,} sent again" + _ordinal(number) for number, messages in statistics.retried.items()]
    if (percent := statistics.recovered_percent) is not None:
        words.append(f"{sum(statistics.recovered.values()):,} recovered ({percent:.1f} %)")
    return ", ".join(words)


def _ordinal(number: int) -> str:
    return "" if number == 1 else f" {number} times"
