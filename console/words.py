"""The words, signs and CSS classes of states on the pages; a colour always comes with a word or a sign."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.visible_text import without_long_numbers

STATE_SIGNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pending": "○",
        "sending": "↗",
        "accepted": "→",
        "delivered": "✓",
        "failed": "✗",
        "no_report": "–",
        "rejected": "⊘",
        "in_doubt": "?",
        "given_up": "‽",
        "suppressed": "∅",
        "expired": "⌛︎",
        "cancelled": "⊗",
        "submitting": "…",
        "running": "▶︎",
        "paused": "‖",
        "braked": "!",
        "finished": "✓",
        "waiting": "◷",
    }
)
"""A sign for each state of a message or of a campaign."""

BAR_ORDER: Final = (
    MessageState.DELIVERED,
    MessageState.ACCEPTED,
    MessageState.NO_REPORT,
    MessageState.SENDING,
    MessageState.PENDING,
    MessageState.IN_DOUBT,
    MessageState.GIVEN_UP,
    MessageState.FAILED,
    MessageState.REJECTED,
    MessageState.SUPPRESSED,
    MessageState.EXPIRED,
    MessageState.CANCELLED,
)
"""The order of the states in a bar: states of success come first, and states of messages that were not sent last."""

MEANINGS: Final[Mapping[MessageState, str]] = MappingProxyType(
    {
        MessageState.PENDING: "not sent yet",
        MessageState.SENDING: "may have been sent; the provider's response is not here yet",
        MessageState.ACCEPTED: "the provider accepted the message; no report has come yet",
        MessageState.DELIVERED: "a report says that the message arrived",
        MessageState.FAILED: "a report says that the message did not arrive",
        MessageState.NO_REPORT: "sent; no report came in time",
        MessageState.REJECTED: "the provider rejected the message",
        MessageState.IN_DOUBT: "may have been sent; a report decides",
        MessageState.GIVEN_UP: "may have been sent; the message is not sent again",
        MessageState.SUPPRESSED: "not sent, because of a rule such as an opt-out",
        MessageState.EXPIRED: "the validity ended before the message was sent",
        MessageState.CANCELLED: "the campaign was cancelled before the message was sent",
    }
)


def words_of(state: MessageState) -> str:
    """Return the name of a message's state in words: ``in doubt``."""
    return state.label.replace("_", " ")


def state_class(view: CampaignView) -> str:
    """Return the CSS class and the key of the sign for the state of a campaign."""
    if view.state is CampaignState.RUNNING and view.waits_for.value != "nothing":
        return "waiting"
    return view.state.value


def sender_state(view: SenderView) -> str:
    """Return whether a sender sends, and if not, why."""
    if view.paused:
        return f"paused: {without_long_numbers(view.pause_reason)}" if view.pause_reason else "paused"
    if view.day_is_used_up:
        return "parts of the day used up"
    return (
        "; ".join(f"provider {away.provider} is {without_long_numbers(away.why)}" for away in view.unavailable)
        or "sends"
    )
