"""The figures of a run: measured values, and the limits that the guarantees set for them."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain

from tests.chaos.figure import ChaosFigure
from tests.chaos.observations import CampaignOutcome, Observations, messages_not_sent
from tests.chaos.process_faults import STOPS_WITHIN_S
from tests.chaos.rate_excess import RateExcess, rate_excess
from tests.chaos.testbed import MessageKey, Span
from times_dispatch.ledger.states import SENT, MessageState

GAP_S = 20.0
"""The longest allowed gap without a send, in seconds."""
PAUSE_S = 1.0
"""Seconds after the end of a pause command from which no push may arrive."""
MAX_SENDING_EXCESS = 0.05
MAX_ARRIVING_EXCESS = 0.10
"""By what share the fullest second may exceed the rate: by the ledger's times, and by the sandbox's times."""
MAX_OPEN_PER_WORKER = 400
"""The most messages that a worker can have been sending, for a loss while Redis could not answer."""
NEVER_ACCEPTED = "not accepted in the end"
ACCEPTED_TWICE = "rows accepted more than once"
WRONG_STATISTICS = "statistics against books and recount, differences"
LOST_WORKERS = "in doubt after a worker was lost"
ARRIVING = "most in a second, arriving"
SENT_IN_A_SECOND = "most in a second, sent"
_MIN_SEEN_SHARE = 0.75
"""The share of the time that the monitor must have sampled; with a smaller share, gaps may be missed."""
_MAX_EXAMPLES = 12
_MAX_STANDSTILL_LINES = 120


def figures(observations: Observations, *, gap_s: float) -> list[ChaosFigure]:
    """Return all figures of a run or a scenario."""
    return [
        accepted_twice(observations),
        in_no_single_state(observations),
        differences(observations),
        wrong_statistics(observations),
        lost_workers(observations),
        undecided(observations),
        unfinished(observations),
        max_gap(observations, gap_s),
        late_after_pause(observations),
        arriving(observations),
        sending(observations),
        stops(observations),
    ]


def accepted_twice(observations: Observations) -> ChaosFigure:
    """Count messages that the provider accepted more than once, with one id or with the ids of two attempts."""
    return _must_be_zero(ACCEPTED_TWICE, _per_campaign(observations, lambda outcome: outcome.comparison.accepted_twice))


def in_no_single_state(observations: Observations) -> ChaosFigure:
    """Count messages in no state or in two states, by the submitted files, the records and the counters."""

    def count(outcome: CampaignOutcome) -> int:
        view, states = outcome.view, outcome.comparison.states
        counted = sum(abs(states[state] - view.counts[state]) for state in MessageState)
        return counted + abs(outcome.submitted - view.total) + abs(view.total - outcome.comparison.messages)

    return _must_be_zero("messages in no state, or in two", _per_campaign(observations, count))


def differences(observations: Observations) -> ChaosFigure:
    """Count messages that differ between ledger and books, and accepted ids that belong to no message."""
    counted = _per_campaign(observations, lambda outcome: outcome.comparison.differences)
    examples = [example for outcome in observations.campaigns.values() for example in outcome.comparison.examples]
    unknown_ids = observations.accepted_ids - sum(
        outcome.comparison.in_books for outcome in observations.campaigns.values()
    )
    figure = _must_be_zero("ledger against books, differences", counted, examples)
    if unknown_ids:
        return ChaosFigure(
            figure.name, f"{figure.value}, and {unknown_ids} ids of no message", figure.must_be, False, examples
        )
    return figure


def wrong_statistics(observations: Observations) -> ChaosFigure:
    """Count numbers in the statistics that differ from the books or from a recount."""
    counted = _per_campaign(observations, lambda outcome: len(outcome.wrong_statistics))
    examples = [example for outcome in observations.campaigns.values() for example in outcome.wrong_statistics]
    examples += observations.wrong_rollups
    if observations.wrong_rollups:
        counted["days"] = len(observations.wrong_rollups)
    return _must_be_zero(WRONG_STATISTICS, counted, examples)


def undecided(observations: Observations) -> ChaosFigure:
    """Count messages that are in doubt, or that were given up although the provider accepted and reported them."""

    def count(outcome: CampaignOutcome) -> int:
        return outcome.comparison.states[MessageState.IN_DOUBT] + outcome.comparison.undecided_in_books

    figure = _must_be_zero("in doubt after all reports came", _per_campaign(observations, count))
    if before := observations.events.reported_in_doubt:
        return replace(figure, value=f"{figure.value}, and {before:,} before they were sent again", holds=False)
    return figure


def unfinished(observations: Observations) -> ChaosFigure:
    """Count messages that expired, and unsent messages of campaigns that did not finish."""

    counted = _per_campaign(observations, lambda outcome: messages_not_sent(outcome.view, observations.events))
    known = chain.from_iterable(
        lines for campaign, lines in observations.not_sent_in_time.items() if campaign in observations.campaigns
    )
    figure = _must_be_zero("not sent in time", counted)
    return replace(figure, why=figure.why + list(known)[:_MAX_STANDSTILL_LINES])


def never_accepted(observations: Observations) -> ChaosFigure:
    """Count messages that the provider never accepted; must be 0 if messages in doubt were sent again by command.

    Suppressed messages do not count: a recipient who replied STOP to an earlier campaign is suppressed in later ones. A
    message is given up if its recipient replied STOP while the first attempt was in doubt, because the second attempt
    is suppressed.
    """

    def count(outcome: CampaignOutcome) -> int:
        states = outcome.comparison.states
        accepted_or_suppressed = (*SENT, MessageState.SUPPRESSED)
        if outcome.view.id in observations.events.cancelled:
            accepted_or_suppressed += (MessageState.CANCELLED,)
        suppressed = sum(number for name, number in outcome.view.codes.items() if name.startswith("suppressed:"))
        second_attempts = max(0, min(suppressed - states[MessageState.SUPPRESSED], states[MessageState.GIVEN_UP]))
        return outcome.view.total - sum(states[state] for state in accepted_or_suppressed) - second_attempts

    return _must_be_zero(NEVER_ACCEPTED, _per_campaign(observations, count))


def lost_workers(observations: Observations) -> ChaosFigure:
    """Compare the messages put in doubt with the messages that lost workers were sending, in number and one by one."""
    losses = observations.events.lost_workers
    seen = {key: at for key, at in observations.monitor.put_in_doubt.items() if observations.span.contains(at)}
    # The end of upkeep's log can be lost with its worker, and the monitor takes only a few samples per second.
    in_doubt = max(len(seen), sum(count for _, count in observations.put_in_doubt))
    allowed = sum(MAX_OPEN_PER_WORKER if lost.open is None else len(lost.open) for lost in losses)
    known = set[MessageKey]().union(*(lost.open or () for lost in losses))
    unexplained = [key for key in seen if key not in known] if all(lost.open is not None for lost in losses) else []
    why = [
        f"{_clock(lost.at_s)} {lost.name} lost, {'?' if lost.open is None else len(lost.open)} open" for lost in losses
    ]
    why += [f"{_clock(at)} {count} in doubt by upkeep's log" for at, count in observations.put_in_doubt]
    why += [
        f"{_clock(seen[key])} message {key[2]} of batch {key[1]} of {key[0]}: no lost worker had it open"
        for key in unexplained[:_MAX_EXAMPLES]
    ]
    return ChaosFigure(
        LOST_WORKERS,
        f"{in_doubt:,} ({len(losses)} lost)" + (f", {len(unexplained)} not open" if unexplained else ""),
        f"≤ {allowed:,} open",
        in_doubt <= allowed and not unexplained,
        why,
        amount=in_doubt,
    )


def max_gap(observations: Observations, max_s: float) -> ChaosFigure:
    """Return the longest time in which a sender could have sent but did not send."""
    begin_s, end_s = observations.span.begin_s, observations.span.end_s
    gaps = {
        sender: observations.monitor.max_gap_s(sender, times_s, begin_s=begin_s, end_s=end_s)
        for sender, times_s in observations.arrivals_s.items()
    }
    longest = max(gaps.values(), default=0.0)
    seen = observations.monitor.seen(begin_s=begin_s, end_s=end_s)
    why = [f"{sender}: {gap:.1f} s" for sender, gap in gaps.items()] + [f"the monitor sampled {seen:.0%} of the time"]
    holds = longest <= max_s and seen >= _MIN_SEEN_SHARE
    return ChaosFigure("longest gap without a send", f"{longest:.1f} s", f"≤ {max_s:g} s", holds, why, amount=longest)


def late_after_pause(observations: Observations) -> ChaosFigure:
    """Count pushes that reached the provider between a second after the end of a pause command and the resume."""
    pauses = [
        (outcome.arrivals_s, pause)
        for campaign, outcome in observations.campaigns.items()
        for pause in observations.events.campaign_pauses.get(campaign, ())
    ]
    pauses += [
        (observations.arrivals_s.get(sender, []), pause)
        for sender, spans in observations.events.sender_pauses.items()
        for pause in spans
    ]
    late = [_between(times_s, pause) for times_s, pause in pauses]
    number = sum(map(len, late))
    tried = sum("paused" in action for _, action in observations.events.actions)
    why = [
        f"{len(pushes)} up to {pushes[-1] - pause.begin_s:.2f} s late"
        for pushes, (_, pause) in zip(late, pauses, strict=True)
        if pushes
    ]
    found_sending = sum(
        bisect_left(times_s, pause.asked_s - 1) < bisect_left(times_s, pause.begin_s) for times_s, pause in pauses
    )
    value = f"{number:,} ({found_sending} of {len(pauses)} while sending)"
    is_proved = bool(found_sending) or not tried
    if not is_proved:
        why.append(f"{tried} pauses were tried, none of them while messages were being sent")
    # On an overloaded machine the command can start too late, or fail.
    only_unproved = number == 0 and not is_proved
    return ChaosFigure(
        "pushes later than 1 s after a pause",
        value,
        "0",
        number == 0 and is_proved,
        why,
        needs_quiet=only_unproved,
        amount=number,
    )


def arriving(observations: Observations, *, max_excess: float = MAX_ARRIVING_EXCESS) -> ChaosFigure:
    """Return by what share the fullest second of a sender exceeded its rate, by times of arrival at the provider."""
    excesses = {
        sender: rate_excess(times_s, observations.events.rates[sender])
        for sender, times_s in observations.arrivals_s.items()
        if observations.events.rates[sender][0].rate_per_s
    }
    return replace(_excess_figure(ARRIVING, excesses, max_excess), needs_quiet=True)


def sending(observations: Observations) -> ChaosFigure:
    """Return by what share the fullest second of a sender exceeded its rate, by the ledger's send times."""
    excesses = {}
    for sender, changes in observations.events.rates.items():
        campaigns = [outcome for outcome in observations.campaigns.values() if outcome.view.plan.sender == sender]
        times_ms = sorted(chain.from_iterable(outcome.comparison.sent_ms for outcome in campaigns))
        if changes[0].rate_per_s and times_ms:
            excesses[sender] = rate_excess([time_ms / 1000 for time_ms in times_ms], changes)
    return _excess_figure(SENT_IN_A_SECOND, excesses, MAX_SENDING_EXCESS)


def stops(observations: Observations) -> ChaosFigure:
    """Return the longest time that a process took to end after SIGTERM."""
    longest = max(observations.events.stops_s, default=0.0)
    value = f"{longest:.1f} s ({len(observations.events.stops_s)} stops)"
    holds = longest <= STOPS_WITHIN_S
    return ChaosFigure("longest stop after SIGTERM", value, f"≤ {STOPS_WITHIN_S:g} s", holds, amount=longest)


def not_measured(measured: Sequence[ChaosFigure], expected: Sequence[str]) -> list[ChaosFigure]:
    """Return, for each figure that a script should have measured but did not, a figure that does not hold."""
    names = {figure.name for figure in measured}
    return [ChaosFigure(name, "not measured", "measured", False) for name in expected if name not in names]


def _per_campaign(observations: Observations, count: Callable[[CampaignOutcome], int]) -> dict[str, int]:
    return {
        f"{campaign} ({outcome.view.plan.name})": count(outcome) for campaign, outcome in observations.campaigns.items()
    }


def _must_be_zero(name: str, counted: dict[str, int], examples: list[str] | None = None) -> ChaosFigure:
    number = sum(counted.values())
    why = [f"campaign {campaign}: {count}" for campaign, count in counted.items() if count] + (examples or [])[
        :_MAX_EXAMPLES
    ]
    return ChaosFigure(name, f"{number:,}", "0", number == 0, why, amount=number)


def _excess_figure(name: str, excesses: dict[str, RateExcess], limit: float) -> ChaosFigure:
    worst = max((share for share, _ in excesses.values()), default=-1.0)
    why = [f"{_clock(begins_s)} {sender}: {share:+.1%} in the second" for sender, (share, begins_s) in excesses.items()]
    value = f"rate {worst:+.1%}" if excesses else "-"
    return ChaosFigure(name, value, f"≤ rate +{limit:.0%}", worst <= limit, why, amount=worst)


def _between(times_s: list[float], pause: Span) -> list[float]:
    return times_s[bisect_left(times_s, pause.begin_s + PAUSE_S) : bisect_left(times_s, pause.end_s)]


def _clock(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%H:%M:%S}"
