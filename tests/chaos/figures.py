"""The figures of issue and guarantee: what was measured, what it must be, and whether it is."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain

from tests.chaos.evidence import Evidence, Story
from tests.chaos.limits import Excess, excess
from tests.chaos.processes import STOPS_WITHIN_S
from tests.chaos.stage import MessageKey, Span
from times_dispatch.ledger.states import SENT, CampaignState, MessageState

GAP_S = 20.0
PAUSE_S = 1.0
LET_GO_ABOVE = 0.05
ARRIVING_ABOVE = 0.10
MOST_IN_FLIGHT = 400
"""A worker has no more open than this, whatever Redis could be asked when it was lost."""
_SEEN_AT_LEAST = 0.75
"""A watch that looked away for longer proves nothing about gaps."""
_NAMED = 12


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    name: str
    value: str
    must_be: str
    holds: bool
    why: list[str] = field(default_factory=list)
    """What to look at if it does not hold."""
    needs_quiet: bool = False
    """An overloaded machine, which starts pushes late and in bunches, spoils it."""


def figures(evidence: Evidence, *, gap_s: float) -> list[Figure]:
    """Return all figures of a run or a scenario."""
    return [
        accepted_twice(evidence),
        stateless(evidence),
        differences(evidence),
        lost_workers(evidence),
        undecided(evidence),
        unfinished(evidence),
        longest_gap(evidence, gap_s),
        late_after_pause(evidence),
        arriving(evidence),
        let_go(evidence),
        stops(evidence),
    ]


def accepted_twice(evidence: Evidence) -> Figure:
    """Count rows that the provider accepted more than once, under one id or under two attempts of the same row."""
    return _none("rows accepted more than once", _per_story(evidence, lambda story: story.comparison.accepted_twice))


def stateless(evidence: Evidence) -> Figure:
    """Count messages in no state or in two: by the submit, by the records, and by the counters."""

    def count(story: Story) -> int:
        view, states = story.view, story.comparison.states
        counted = sum(abs(states[state] - view.counts[state]) for state in MessageState)
        return counted + abs(story.submitted - view.total) + abs(view.total - story.comparison.messages)

    return _none("messages in no state, or in two", _per_story(evidence, count))


def differences(evidence: Evidence) -> Figure:
    """Count messages of which the ledger and the books say different things, and accepted ids of no message."""
    counted = _per_story(evidence, lambda story: story.comparison.differences)
    named = [name for story in evidence.stories.values() for name in story.comparison.examples]
    strangers = evidence.accepted_ids - sum(story.comparison.in_books for story in evidence.stories.values())
    figure = _none("ledger against books, differences", counted, named)
    if strangers:
        return Figure(figure.name, f"{figure.value}, and {strangers} ids of no message", figure.must_be, False, named)
    return figure


def undecided(evidence: Evidence) -> Figure:
    """Count messages still in doubt, and those given up although the provider had accepted and reported them."""

    def count(story: Story) -> int:
        return story.comparison.states[MessageState.IN_DOUBT] + story.comparison.undecided_in_books

    figure = _none("in doubt after all reports came", _per_story(evidence, count))
    if before := evidence.notes.reported_in_doubt:
        return replace(figure, value=f"{figure.value}, and {before:,} before they were sent again", holds=False)
    return figure


def unfinished(evidence: Evidence) -> Figure:
    """Count what was not sent before the validity ended, and messages of campaigns that did not come to an end."""

    def count(story: Story) -> int:
        view = story.view
        return view.counts[MessageState.EXPIRED] + (view.unsent or int(view.state is not CampaignState.FINISHED))

    return _none("not sent in time", _per_story(evidence, count))


def never_accepted(evidence: Evidence) -> Figure:
    """Count messages that the provider never accepted: none, if what was in doubt was sent again by hand.

    Who replied STOP to an earlier campaign is suppressed in the later ones, as it must be.
    """

    def count(story: Story) -> int:
        return story.view.total - sum(story.comparison.states[state] for state in (*SENT, MessageState.SUPPRESSED))

    return _none("not accepted in the end", _per_story(evidence, count))


def lost_workers(evidence: Evidence) -> Figure:
    """Hold what became in doubt because workers were lost against what these had open, in number and one by one."""
    losses = evidence.notes.losses
    seen = {key: at for key, at in evidence.watch.doubted.items() if evidence.span.holds(at)}
    # Upkeep's log may have died with its worker, and the watch looks only now and then.
    in_doubt = max(len(seen), sum(count for _, count in evidence.doubted))
    most = sum(MOST_IN_FLIGHT if loss.open is None else len(loss.open) for loss in losses)
    known = set[MessageKey]().union(*(loss.open or () for loss in losses))
    strange = [key for key in seen if key not in known] if all(loss.open is not None for loss in losses) else []
    why = [
        f"{_clock(loss.at_s)} {loss.name} lost, {'?' if loss.open is None else len(loss.open)} open" for loss in losses
    ]
    why += [f"{_clock(at)} {count} in doubt by upkeep's log" for at, count in evidence.doubted]
    why += [
        f"{_clock(seen[key])} message {key[2]} of batch {key[1]} of {key[0]}: no lost worker had it open"
        for key in strange[:_NAMED]
    ]
    return Figure(
        "in doubt after a worker was lost",
        f"{in_doubt:,} ({len(losses)} lost)" + (f", {len(strange)} not open" if strange else ""),
        f"≤ {most:,} open",
        in_doubt <= most and not strange,
        why,
    )


def longest_gap(evidence: Evidence, most_s: float) -> Figure:
    """Return the longest time without a send although something could have been sent."""
    begin_s, end_s = evidence.span.begin_s, evidence.span.end_s
    gaps = {
        sender: evidence.watch.longest_gap_s(sender, moments, begin_s=begin_s, end_s=end_s)
        for sender, moments in evidence.arrivals_s.items()
    }
    longest = max(gaps.values(), default=0.0)
    seen = evidence.watch.seen(begin_s=begin_s, end_s=end_s)
    why = [f"{sender}: {gap:.1f} s" for sender, gap in gaps.items()] + [f"the watch saw {seen:.0%} of the time"]
    holds = longest <= most_s and seen >= _SEEN_AT_LEAST
    return Figure("longest gap without a send", f"{longest:.1f} s", f"≤ {most_s:g} s", holds, why)


def late_after_pause(evidence: Evidence) -> Figure:
    """Count pushes that reached the provider later than a second after a pause had returned, before the resume."""
    pauses = [
        (story.arrivals_s, pause)
        for campaign, story in evidence.stories.items()
        for pause in evidence.notes.campaign_pauses.get(campaign, ())
    ]
    pauses += [
        (evidence.arrivals_s.get(sender, []), pause)
        for sender, spans in evidence.notes.sender_pauses.items()
        for pause in spans
    ]
    late = [_between(moments, pause) for moments, pause in pauses]
    number = sum(map(len, late))
    tried = sum("paused" in deed for _, deed in evidence.notes.deeds)
    why = [
        f"{len(some)} up to {some[-1] - pause.begin_s:.2f} s late"
        for some, (_, pause) in zip(late, pauses, strict=True)
        if some
    ]
    # The command takes a second or two to start and to end.
    found_sending = sum(
        bisect_left(moments, pause.begin_s - 2) < bisect_left(moments, pause.begin_s) for moments, pause in pauses
    )
    value = f"{number:,} ({found_sending} of {len(pauses)} while sending)"
    proves = bool(found_sending) or not tried
    if not proves:
        why.append(f"{tried} pauses were tried, none succeeded while something was being sent")
    # On an overloaded machine the command may come too late, or not at all.
    spoilt = number == 0 and not proves
    return Figure("pushes later than 1 s after a pause", value, "0", number == 0 and proves, why, needs_quiet=spoilt)


def arriving(evidence: Evidence, *, most_above: float = ARRIVING_ABOVE) -> Figure:
    """Return how far above its rate the fullest second of any sender was, arriving at the provider."""
    above = {
        sender: excess(moments, evidence.notes.rates[sender])
        for sender, moments in evidence.arrivals_s.items()
        if evidence.notes.rates[sender][0].rate_per_s
    }
    return replace(_above("most in a second, arriving", above, most_above), needs_quiet=True)


def let_go(evidence: Evidence) -> Figure:
    """Return the same by the ledger's own times."""
    above = {}
    for sender, changes in evidence.notes.rates.items():
        stories = [story for story in evidence.stories.values() if story.view.plan.sender == sender]
        moments = sorted(chain.from_iterable(story.comparison.sent_ms for story in stories))
        if changes[0].rate_per_s and moments:
            above[sender] = excess([moment / 1000 for moment in moments], changes)
    return _above("most in a second, let go", above, LET_GO_ABOVE)


def stops(evidence: Evidence) -> Figure:
    """Return the longest that a process took to end after SIGTERM."""
    longest = max(evidence.notes.stops_s, default=0.0)
    value = f"{longest:.1f} s ({len(evidence.notes.stops_s)} stops)"
    return Figure("longest stop after SIGTERM", value, f"≤ {STOPS_WITHIN_S:g} s", longest <= STOPS_WITHIN_S)


def _per_story(evidence: Evidence, count: Callable[[Story], int]) -> dict[str, int]:
    return {f"{campaign} ({story.view.plan.name})": count(story) for campaign, story in evidence.stories.items()}


def _none(name: str, counted: dict[str, int], named: list[str] | None = None) -> Figure:
    number = sum(counted.values())
    why = [f"campaign {campaign}: {count}" for campaign, count in counted.items() if count] + (named or [])[:_NAMED]
    return Figure(name, f"{number:,}", "0", number == 0, why)


def _above(name: str, above: dict[str, Excess], most: float) -> Figure:
    worst = max((share for share, _ in above.values()), default=-1.0)
    why = [f"{_clock(begins_s)} {sender}: {share:+.1%} in the second" for sender, (share, begins_s) in above.items()]
    value = f"rate {worst:+.1%}" if above else "-"
    return Figure(name, value, f"≤ rate +{most:.0%}", worst <= most, why)


def _between(moments_s: list[float], pause: Span) -> list[float]:
    return moments_s[bisect_left(moments_s, pause.begin_s + PAUSE_S) : bisect_left(moments_s, pause.end_s)]


def _clock(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%H:%M:%S}"
