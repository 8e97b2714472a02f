"""Conditions about results: messages in doubt, few deliveries, complaints; and events for finished campaigns."""

import math
from collections.abc import Iterator
from typing import Final

from times_dispatch.alerts.condition import Condition, campaign_in_words
from times_dispatch.alerts.observation import Observation
from times_dispatch.ledger.model import CampaignView, SenderId
from times_dispatch.ledger.monitoring.alerts import AlertKind
from times_dispatch.ledger.monitoring.complaints import MAX_IN_WINDOW, WINDOW_DAYS
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.statistics.usual import DeliveryCounts
from times_dispatch.plurals import counted
from times_dispatch.settings.tables.alerts import AlertSettings

MIN_TODAY: Final = 200
"""The share of today's deliveries counts only from this number of messages with a report on."""
MIN_USUAL: Final = 1_000
"""A usual share of deliveries exists only from this number of messages with a report before today on."""
MIN_USUAL_DAYS: Final = 3
_SIGMAS: Final = 3.0
_ROUNDING: Final = 1e-9


def finished_campaigns(now: Observation) -> Iterator[Condition]:
    """Yield an event for each campaign that finished since the last observation."""
    for view in now.finished:
        yield Condition(
            kind=AlertKind.FINISHED,
            subject=f"{view.id}:{view.finished_ms}",
            sender=view.plan.sender,
            text=f"{campaign_in_words(view)} is finished: {_results(view)}",
        )


def messages_in_doubt(now: Observation, settings: AlertSettings) -> Iterator[Condition]:
    """Yield a condition for each sender with too many messages in doubt."""
    in_doubt: dict[SenderId, int] = {}
    for counts in now.counts:
        in_doubt[counts.sender] = in_doubt.get(counts.sender, 0) + counts.days.in_doubt
    for sender, number in in_doubt.items():
        if number > settings.in_doubt_above:
            yield Condition(
                kind=AlertKind.IN_DOUBT,
                subject=sender,
                sender=sender,
                text=f"{counted(number, 'message')} of sender {sender} {'is' if number == 1 else 'are'} in doubt: "
                "wait for the reports, then decide for "
                f"each campaign that has some (dispatch list --sender {sender}): dispatch resolve ID",
            )


def low_deliveries(now: Observation, settings: AlertSettings) -> Iterator[Condition]:
    """Yield a condition for each sender and provider of which fewer messages are delivered today than is usual."""
    for counts in now.counts:
        if is_below_usual(counts.today, counts.usual, drop=settings.delivered_drop):
            yield Condition(
                kind=AlertKind.DELIVERED_SHARE,
                subject=f"{counts.sender}:{counts.provider}",
                sender=counts.sender,
                text=f"of the messages of sender {counts.sender} through provider {counts.provider} that have a report "
                f"today, {counts.today.delivered_share:.0%} are delivered; usual are "
                f"{counts.usual.delivered_share:.0%}: dispatch stats --sender {counts.sender} has the reasons",
            )


def is_below_usual(today: DeliveryCounts, usual: DeliveryCounts, *, drop: float) -> bool:
    """Say whether the share of delivered messages is clearly below the usual share today.

    The answer is no while there are too few reports, or while most of today's messages have no report yet.

    Args:
        today: the messages that were pushed today.
        usual: the messages that were pushed in the 28 days before today.
        drop: the least difference between the usual share and today's share, from 0 to 1.
    """
    if today.reported < MIN_TODAY or usual.reported < MIN_USUAL or usual.days < MIN_USUAL_DAYS:
        return False
    if today.reported_share < usual.reported_share / 2:
        return False
    share = usual.delivered_share
    chance = _SIGMAS * math.sqrt(share * (1 - share) / today.reported)
    return today.delivered_share < share - max(drop, chance) - _ROUNDING


def many_complaints(now: Observation, settings: AlertSettings) -> Iterator[Condition]:
    """Yield a condition for each sender that is near the number of complaints that starts an action."""
    for sender, number in now.complaints.items():
        if number >= settings.complaints_from:
            yield Condition(
                kind=AlertKind.COMPLAINTS,
                subject=sender,
                sender=sender,
                text=f"{counted(number, 'complaint')} about sender {sender} within {WINDOW_DAYS} days; "
                f"{MAX_IN_WINDOW} start an action against the sender: dispatch complaints list --sender {sender}",
            )


def _results(view: CampaignView) -> str:
    """Return the number of messages in each state; states without messages are left out."""
    words = {MessageState.ACCEPTED: "accepted, without a report yet", MessageState.IN_DOUBT: "in doubt"}
    counts = [
        f"{number:,} {words.get(state, state.label.replace('_', ' '))}"
        for state, number in view.counts.items()
        if number
    ]
    return ", ".join(counts) or "it has no messages"
