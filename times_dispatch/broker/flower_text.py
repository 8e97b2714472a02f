"""The text of a campaign's row in Flower; the state stands first, because Flower cuts long results."""

from typing import NamedTuple

from times_dispatch.ledger.model import CampaignView, WaitsFor
from times_dispatch.ledger.states import CampaignState, MessageState

_MAX_HEAD = 40
"""Flower's table shows about this many characters of a result; the state and the share must fit into this length."""
_SEPARATOR = " · "
_NEVER_SENT = (MessageState.SUPPRESSED, MessageState.EXPIRED, MessageState.CANCELLED)
_FAILED = (MessageState.FAILED, MessageState.REJECTED, MessageState.EXPIRED, MessageState.GIVEN_UP)
_SHOWN = (
    MessageState.REJECTED,
    MessageState.FAILED,
    MessageState.IN_DOUBT,
    MessageState.DELIVERED,
    MessageState.GIVEN_UP,
    *_NEVER_SENT,
)


class RowState(NamedTuple):
    """The state that a row shows."""

    event: str
    """The type of the Celery event, which gives the row its state."""
    word: str
    """The first word of the row's text."""
    why: str = ""
    """The reason, after the word; empty if there is none."""


def row_state(view: CampaignView, rate_per_s: float = 0.0) -> RowState:
    """Return the state of a campaign's row.

    Celery itself knows the states success, failure and revoked. Flower shows any other event as a state without a
    colour.
    """
    match view.state:
        case CampaignState.FINISHED:
            return _state_of_finished(view)
        case CampaignState.CANCELLED:
            return RowState("task-revoked", "cancelled", view.reason)
        case CampaignState.RUNNING if view.waits_for is WaitsFor.REPORTS:
            return RowState("task-waiting", "waiting", "to try again" if view.retries_waiting else "for reports")
        case CampaignState.RUNNING if rate_per_s or not view.reason:
            # A reason while messages go out: for example, the next provider of the chain has taken over.
            return RowState("task-progress", "running", view.reason)
        case CampaignState.RUNNING:
            return RowState("task-waiting", "waiting", view.reason)
    return RowState(f"task-{view.state.value}", view.state.value, view.reason)


def _state_of_finished(view: CampaignView) -> RowState:
    """Return the state of a finished campaign; the state is a failure if more than half of the messages failed."""
    if 2 * sum(view.counts[state] for state in _FAILED) <= view.total:
        return RowState("task-succeeded", "finished")
    most = max(_FAILED, key=view.counts.__getitem__)
    return RowState("task-failed", "failed", f"{view.counts[most]:,} {_words(most)}")


def row_text(view: CampaignView, rate_per_s: float = 0.0) -> str:
    """Return a text such as ``paused: wrong price · 71 % · 42,600 of 60,000 sent``, without any data of recipients.

    Args:
        view: the campaign.
        rate_per_s: the messages per second of the campaign now.
    """
    _, word, why = row_state(view, rate_per_s)
    sent = view.done - sum(view.counts[state] for state in _NEVER_SENT)
    percent = f"{100 * sent // view.total if view.total else 100} %"
    head = f"{word}: {why}" if why else word
    max_head = _MAX_HEAD - len(_SEPARATOR) - len(percent)
    is_cut = len(head) > max_head
    words = [head[: max_head - 1].rstrip() + "…" if is_cut else head, percent]
    if view.state is CampaignState.RUNNING and view.unsent and rate_per_s > 0:
        words += [f"{rate_per_s:,.0f}/s", f"{_time_left(view.unsent / rate_per_s)} left"]
    words.append(f"{sent:,} of {view.total:,} sent")
    words += [f"{view.counts[state]:,} {_words(state)}" for state in _SHOWN if view.counts[state]]
    if is_cut:
        words.append(why)
    return _SEPARATOR.join(words)


def _words(state: MessageState) -> str:
    return state.label.replace("_", " ")


def _time_left(seconds: float) -> str:
    whole = int(seconds + 0.5)
    if whole < 100:
        return f"{whole} s"
    minutes = (whole + 30) // 60
    if minutes < 100:
        return f"{minutes} min"
    hours = (minutes + 30) // 60
    return f"{hours} h" if hours < 100 else f"{(hours + 12) // 24:,} days"
