"""The state of a campaign in words, and its figures as a list shows them."""

from typing import TYPE_CHECKING, NamedTuple

from times_dispatch.ledger.model import CampaignView, RetryRule, WaitsFor
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.settings.durations import format_duration

if TYPE_CHECKING:
    from times_dispatch.ledger.statistics.figures import Statistics

STATES = (
    "submitting",
    "scheduled",
    "waiting for its hours",
    "waiting for the sender",
    "waiting for reports",
    "waiting to try again",
    "running",
    "paused",
    "braked",
    "finished",
    "cancelled",
    "damaged",
)
"""All that ``state_in_words`` returns, and the word for a campaign that cannot be read."""

_WAITS = {
    WaitsFor.START: "scheduled",
    WaitsFor.HOURS: "waiting for its hours",
    WaitsFor.SENDER: "waiting for the sender",
}
_KEPT_BACK = (MessageState.SUPPRESSED, MessageState.EXPIRED, MessageState.CANCELLED, MessageState.GIVEN_UP)


class ListFigures(NamedTuple):
    """The numbers of one campaign in a list."""

    done_percent: int
    """The share of messages that need no more sending."""
    delivered: int
    failed: int
    """Messages that the provider rejected, or whose delivery report says failed."""
    in_doubt: int
    kept_back: int
    """Messages that are not sent: suppressed, expired, cancelled, given up."""


def state_in_words(view: CampaignView) -> str:
    """Return the state of a campaign, and for a running campaign that waits, for which thing it waits."""
    if view.waits_for is WaitsFor.REPORTS:
        return "waiting to try again" if view.retries_waiting else "waiting for reports"
    return _WAITS.get(view.waits_for, view.state.value) if view.state is CampaignState.RUNNING else view.state.value


def retry_rule_in_words(rule: RetryRule) -> str:
    """Return the rule for second tries: ``failed with code 912 or 914: sent again after 15m, 1h, at most 2 times``."""
    codes = " or ".join(map(str, rule.codes))
    after = ", ".join(format_duration(seconds) for seconds in rule.after_s)
    times = "once" if rule.at_most == 1 else f"{rule.at_most} times"
    return f"failed with code {codes}: sent again after {after}, at most {times}"


def second_tries_in_words(view: CampaignView, statistics: "Statistics") -> str:
    """Return how many messages wait for a second try, were sent again, and were delivered so."""
    words = [f"{view.retries_waiting:,} waiting"]
    words += [f"{messages:,} sent again" + _ordinal(number) for number, messages in statistics.retried.items()]
    if (percent := statistics.recovered_percent) is not None:
        words.append(f"{sum(statistics.recovered.values()):,} recovered ({percent:.1f} %)")
    return ", ".join(words)


def _ordinal(number: int) -> str:
    return "" if number == 1 else f" {number} times"


def list_figures(view: CampaignView) -> ListFigures:
    """Return the numbers of a campaign for a list."""
    counts = view.counts
    return ListFigures(
        done_percent=100 * view.done // view.total if view.total else 100,
        delivered=counts[MessageState.DELIVERED],
        failed=counts[MessageState.FAILED] + counts[MessageState.REJECTED],
        in_doubt=counts[MessageState.IN_DOUBT],
        kept_back=sum(counts[state] for state in _KEPT_BACK),
    )
