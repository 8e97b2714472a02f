"""A campaign's progress in one line, the same in Flower and in the terminal."""

from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import CampaignState, MessageState

_NEVER_SENT = (MessageState.SUPPRESSED, MessageState.EXPIRED, MessageState.CANCELLED)


def progress_line(view: CampaignView, rate_per_s: float = 0.0) -> str:
    """Return ``30,000/60,000 sent (50 %), 3 failed, 812/s, 00:00:37 left``; the line holds no data of recipients."""
    counts = view.counts
    sent = view.done - sum(counts[state] for state in _NEVER_SENT)
    share = 100 * sent // view.total if view.total else 100
    words = [f"{sent:,}/{view.total:,} sent ({share} %)"]
    failed = counts[MessageState.FAILED] + counts[MessageState.REJECTED]
    if failed:
        words.append(f"{failed:,} failed")
    shown = (MessageState.IN_DOUBT, MessageState.DELIVERED, *_NEVER_SENT)
    words += [f"{counts[state]:,} {state.label.replace('_', ' ')}" for state in shown if counts[state]]
    if view.retries_waiting:
        words.append(f"{view.retries_waiting:,} waiting to try again")
    if view.state is CampaignState.RUNNING and view.unsent and rate_per_s > 0:
        words += [f"{rate_per_s:,.0f}/s", f"{_hours_minutes_seconds(view.unsent / rate_per_s)} left"]
    elif view.state is not CampaignState.RUNNING:
        words.append(view.state.value)
    if view.reason:
        words.append(view.reason)
    return ", ".join(words)


def _hours_minutes_seconds(seconds: float) -> str:
    whole = min(int(seconds + 0.5), 359_999)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
