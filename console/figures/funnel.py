"""The funnel of a campaign: accepted, sent, delivered, clicked; and why messages were lost between two stages.

No reason is known for a missing click. A click may also come from a message without a report.
"""

from collections.abc import Mapping, Sequence

import msgspec

from console.figures.code_words import CodeWords
from console.words import words_of
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import SENT, MessageState
from times_dispatch.ledger.statistics.figures import Statistics


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that reached one stage but not the next stage, for one reason."""

    reason: str
    messages: int
    href: str
    """The address of the list of these messages."""
    advice: str = ""
    is_open: bool = False
    """Whether the messages may still reach the next stage."""
    state: str


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage, and the messages that were lost after the stage."""

    name: str
    messages: int
    href: str
    losses: Sequence[Loss] = ()


_NOT_SENT = (
    MessageState.REJECTED,
    MessageState.SUPPRESSED,
    MessageState.EXPIRED,
    MessageState.CANCELLED,
    MessageState.GIVEN_UP,
    MessageState.IN_DOUBT,
    MessageState.PENDING,
    MessageState.SENDING,
)
_OPEN = frozenset({MessageState.IN_DOUBT, MessageState.PENDING, MessageState.SENDING, MessageState.ACCEPTED})
_UNDELIVERED = (MessageState.FAILED, MessageState.NO_REPORT, MessageState.ACCEPTED)


def funnel_of(view: CampaignView, statistics: Statistics, codes: Sequence[CodeWords]) -> list[Stage]:
    """Return the stages of a campaign.

    Args:
        view: the campaign.
        statistics: its statistics.
        codes: the reasons of its messages, in words.
    """
    href = f"/campaigns/{view.id}/messages"
    by_state = _by_state(codes)
    sent = sum(view.counts[state] for state in SENT)
    delivered = view.counts[MessageState.DELIVERED]
    return [
        Stage(name="Accepted", messages=view.total, href=href, losses=_losses(view, _NOT_SENT, by_state, href)),
        Stage(
            name="Sent",
            messages=sent,
            href=_in_states(href, sorted(SENT)),
            losses=_losses(view, _UNDELIVERED, by_state, href),
        ),
        Stage(name="Delivered", messages=delivered, href=_in_states(href, [MessageState.DELIVERED])),
        Stage(name="Clicked", messages=statistics.clickers, href=f"{href}?clicked=1"),
    ]


def _in_states(href: str, states: Sequence[MessageState]) -> str:
    return f"{href}?state={','.join(state.label for state in states)}"


def _by_state(codes: Sequence[CodeWords]) -> Mapping[str, list[CodeWords]]:
    by_state = dict[str, list[CodeWords]]()
    for code in codes:
        by_state.setdefault(code.count.state, []).append(code)
    return by_state


def _losses(
    view: CampaignView, states: Sequence[MessageState], by_state: Mapping[str, list[CodeWords]], href: str
) -> list[Loss]:
    """Return the losses in some states: one loss for each code, and one loss for the messages without a code."""
    losses = list[Loss]()
    for state in states:
        rest = view.counts[state]
        for code in by_state.get(state.label, []):
            rest -= code.count.messages
            losses.append(
                Loss(
                    reason=f"{words_of(state)}: {code.meaning or 'no reason is known'} ({code.count.code})",
                    messages=code.count.messages,
                    href=f"{href}?state={state.label}&code={code.count.code}",
                    advice=code.advice,
                    is_open=state in _OPEN,
                    state=state.label,
                )
            )
        if rest > 0:
            words = "awaiting a report" if state is MessageState.ACCEPTED else words_of(state)
            losses.append(
                Loss(
                    reason=words,
                    messages=rest,
                    href=f"{href}?state={state.label}",
                    is_open=state in _OPEN,
                    state=state.label,
                )
            )
    return losses
