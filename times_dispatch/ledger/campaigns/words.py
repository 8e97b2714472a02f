"""The state of a campaign in words, and its figures as a list shows them."""

from typing import NamedTuple

from times_dispatch.ledger.model import CampaignView, WaitsFor
from times_dispatch.ledger.states import CampaignState, MessageState

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
    "unreachable",
)
"""All texts that ``state_in_words`` returns, and the texts for campaigns that cannot be read."""

_WAITS = {
    WaitsFor.START: "scheduled",
    WaitsFor.HOURS: "waiting for its hours",
    WaitsFor.SENDER: "waiting for the sender",
}
_KEPT_BACK = (MessageState.SUPPRESSED, MessageState.EXPIRED, MessageState.CANCELLED, MessageState.GIVEN_UP)


class ListFigures(NamedTuple):
    """The numbers of one campaign in a list."""

    done_percent: int
    """The share of messages that will not be sent any more."""
    delivered: int
    failed: int
    """Messages that the provider rejected, or whose delivery report says failed."""
    in_doubt: int
    kept_back: int
    """Messages that will not be sent: suppressed, expired, cancelled, given up."""


def state_in_words(view: CampaignView) -> str:
    """Return the state of a campaign in words; for a running campaign that waits, say what the campaign waits for."""
    if view.waits_for is WaitsFor.REPORTS:
        return "waiting to try again" if view.retries_waiting else "waiting for reports"
    return _WAITS.get(view.waits_for, view.state.value) if view.state is CampaignState.RUNNING else view.state.value


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
