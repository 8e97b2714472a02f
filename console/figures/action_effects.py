"""What an action would do to campaigns, in words, before a person confirms the action."""

from collections.abc import Sequence

import msgspec

from console.formats import Formats
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.settings.cost_estimate import estimated_cost
from times_dispatch.settings.model import Settings
from times_dispatch.visible_text import without_long_numbers


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of an action."""

    summary: str
    """One line: ``12,304 messages (about Rs 1,476.48)``."""
    lines: Sequence[str] = ()
    """Further lines, each about one consequence of the action."""
    is_possible: bool = True
    """Whether the action would change anything."""


def pause_effect(view: CampaignView, settings: Settings, f: Formats) -> Effect:
    """Return the effect of a pause of a campaign."""
    return Effect(
        summary=f"{unsent_in_words(view, settings, f)} wait until the campaign is resumed.",
        lines=["Messages that are on their way to the provider arrive within seconds."],
        is_possible=view.state is CampaignState.RUNNING,
    )


def resume_effect(view: CampaignView, sender: SenderView, settings: Settings, f: Formats) -> Effect:
    """Return the effect of a resume of a campaign."""
    lines = list[str]()
    if view.state is CampaignState.BRAKED:
        reason = without_long_numbers(view.reason)
        lines.append(f"The campaign was braked: {reason}. Solve this problem first, or the campaign is braked again.")
    if sender.waits_for_resume(view.plan.chain):
        lines.append(f"Nothing is sent yet, because sender {view.plan.sender} is stopped too.")
    return Effect(
        summary=f"{unsent_in_words(view, settings, f)} go out.",
        lines=lines,
        is_possible=view.state in {CampaignState.PAUSED, CampaignState.BRAKED},
    )


def cancel_effect(view: CampaignView, settings: Settings, f: Formats) -> Effect:
    """Return the effect of a cancel of a campaign."""
    lines = ["This cannot be undone."]
    if in_doubt := view.counts[MessageState.IN_DOUBT]:
        lines.append(f"Messages in doubt are never sent again: {f.number(in_doubt)}.")
    if view.retries_waiting:
        lines.append(f"Failed messages are not tried again: {f.number(view.retries_waiting)}.")
    return Effect(
        summary=f"{unsent_in_words(view, settings, f)} are never sent.",
        lines=lines,
        is_possible=view.state not in {CampaignState.FINISHED, CampaignState.CANCELLED},
    )


def sender_pause_effect(views: Sequence[CampaignView], settings: Settings, f: Formats) -> Effect:
    """Return the effect that the pause of a sender has on its live campaigns."""
    return Effect(
        summary=f"{campaigns_in_words(views, settings, f)} wait until the sender is resumed.",
        lines=["Campaigns that are submitted later wait too.", *_named(views)],
    )


def sender_resume_effect(sender: SenderView, views: Sequence[CampaignView], settings: Settings, f: Formats) -> Effect:
    """Return the effect that the resume of a sender has on its live campaigns."""
    running = [view for view in views if view.state is CampaignState.RUNNING]
    ends = [
        f"Provider {each.provider} is tried again; now it is {without_long_numbers(each.why)}."
        for each in sender.unavailable
    ]
    stay = [view for view in views if view.state in {CampaignState.PAUSED, CampaignState.BRAKED}]
    lines = [*ends, *_named(running)]
    if stay:
        lines.append(
            f"Stopped by themselves, and stay so: {', '.join(without_long_numbers(view.plan.name) for view in stay)}."
        )
    return Effect(
        summary=f"{campaigns_in_words(running, settings, f)} go out.",
        lines=lines,
        is_possible=sender.paused or bool(sender.unavailable),
    )


def rate_effect(
    sender: SenderView, new_rate_per_s: float, views: Sequence[CampaignView], settings: Settings, f: Formats
) -> Effect:
    """Return the effect of another rate on the live campaigns of a sender.

    Args:
        sender: the sender.
        new_rate_per_s: the new rate, messages or SMS parts a second.
        views: the live campaigns of the sender.
        settings: give the prices.
        f: writes the numbers.
    """
    unsent = sum(view.unsent for view in views)
    takes = [
        f"at least {f.duration(shortest_s)}" if shortest_s else "as long as the provider needs"
        for shortest_s in (_shortest_s(views, rate) for rate in (sender.rate_per_s, new_rate_per_s))
    ]
    lines = [
        f"At {f.limit(sender.rate_per_s)} they take {takes[0]}, at {f.limit(new_rate_per_s)} they take {takes[1]}."
    ]
    return Effect(
        summary=f"{campaigns_in_words(views, settings, f)} go out at {f.limit(new_rate_per_s)}.",
        lines=[*(lines if unsent else []), "The new rate holds from the next block on, until the settings change."],
        is_possible=new_rate_per_s != sender.rate_per_s,
    )


def _shortest_s(views: Sequence[CampaignView], rate_per_s: float) -> float:
    """Return the seconds that the unsent messages take at least at a rate of their sender, 0 if no rate limits them.

    Campaigns of a sender share its rate, and a campaign may have a lower rate of its own.
    """
    of_sender = sum(view.unsent for view in views) / rate_per_s if rate_per_s else 0.0
    return max([of_sender, *(view.unsent / view.plan.rate_per_s for view in views if view.plan.rate_per_s)])


def unsent_in_words(view: CampaignView, settings: Settings, f: Formats) -> str:
    """Return the number and estimated cost of a campaign's unsent messages: ``12 messages (about Rs 2.00)``."""
    return _messages(view.unsent, [view], settings, f)


def campaigns_in_words(views: Sequence[CampaignView], settings: Settings, f: Formats) -> str:
    """Return in words the number of campaigns, and the number and estimated cost of their unsent messages."""
    noun = "campaign" if len(views) == 1 else "campaigns"
    unsent = sum(view.unsent for view in views)
    return f"{f.number(len(views))} live {noun} with {_messages(unsent, views, settings, f)}"


def _messages(unsent: int, views: Sequence[CampaignView], settings: Settings, f: Formats) -> str:
    words = f"{f.number(unsent)} {'message' if unsent == 1 else 'messages'}"
    costs = [estimated_cost(settings, view, view.unsent) for view in views]
    known = [cost for cost in costs if cost is not None]
    return f"{words} (about {f.rupees(sum(known[1:], known[0]))})" if known and unsent else words


def _named(views: Sequence[CampaignView]) -> list[str]:
    return [f"{without_long_numbers(view.plan.name)} ({view.id})" for view in views[:20]]
