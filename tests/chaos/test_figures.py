"""Every figure holds for a good run, and fails for a run in which only its own value is bad."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from tests.chaos.figures import figures, never_accepted
from tests.chaos.monitor import Monitor, MonitorSample
from tests.chaos.observations import CampaignOutcome, Observations
from tests.chaos.testbed import ChaosTestbed, EventLog, LostWorker, Pause, RateChange, Span
from tests.kit.ledger import plan
from times_dispatch.demo.comparison import Comparison
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.states import CampaignState, MessageState

CAMPAIGN = CampaignId("diwali01")
SENDER = "TIMESM"
MESSAGES = 300
OPEN = {(CAMPAIGN, 0, index) for index in range(3)}


def good() -> Observations:
    """Thirty seconds at ten messages per second, with a pause after ten seconds and a lost worker after twenty."""
    sent_s = [100 + number / 10 for number in range(360) if not 110.5 <= 100 + number / 10 < 116.5][:MESSAGES]
    counts = dict.fromkeys(MessageState, 0) | {MessageState.DELIVERED: MESSAGES}
    view = CampaignView(
        id=CAMPAIGN,
        state=CampaignState.FINISHED,
        reason="",
        plan=plan(),
        total=MESSAGES,
        batches=1,
        counts=counts,
        codes={},
        parts=MESSAGES,
        stats={},
        created_ms=0,
        sealed_ms=0,
        first_sent_ms=0,
        last_sent_ms=0,
        finished_ms=1,
    )
    comparison = Comparison(
        campaign=CAMPAIGN,
        messages=MESSAGES,
        states=Counter({MessageState.DELIVERED: MESSAGES}),
        in_books=MESSAGES,
        sent_ms=[round(at_s * 1000) for at_s in sent_s],
    )
    monitor = Monitor(cast("ChaosTestbed", None))
    monitor.samples = [MonitorSample(100 + number / 5, frozenset({SENDER})) for number in range(180)]
    monitor.put_in_doubt = dict.fromkeys(OPEN, 121.0)
    events = EventLog(
        actions=[(110.0, f"{SENDER}: campaign paused")],
        lost_workers=[LostWorker(120.0, "worker-1", set(OPEN))],
        campaign_pauses={CAMPAIGN: [Pause(110.0, 116.5, asked_s=109.0)]},
        rates={SENDER: [RateChange(Span(0, 0), 10.0)]},
        stops_s=[1.0],
    )
    return Observations(
        span=Span(0.0),
        campaigns={CAMPAIGN: CampaignOutcome(MESSAGES, view, comparison, list(sent_s))},
        arrivals_s={SENDER: sent_s},
        accepted_ids=MESSAGES,
        put_in_doubt=[(121.0, 3)],
        events=events,
        monitor=monitor,
    )


def broken(observations: Observations) -> set[str]:
    return {figure.name for figure in figures(observations, gap_s=20) if not figure.holds}


def test_all_figures_hold_for_a_good_run() -> None:
    assert broken(good()) == set()


def _accepted_twice(run: Observations) -> None:
    run.campaigns[CAMPAIGN].comparison.accepted_twice = 1


def _in_two_states(run: Observations) -> None:
    run.campaigns[CAMPAIGN].comparison.states[MessageState.PENDING] += 1


def _lost_at_submit(run: Observations) -> None:
    run.campaigns[CAMPAIGN] = replace(run.campaigns[CAMPAIGN], submitted=MESSAGES + 1)


def _differs(run: Observations) -> None:
    run.campaigns[CAMPAIGN].comparison.differences = 1


def _wrong_statistics(run: Observations) -> None:
    run.campaigns[CAMPAIGN].wrong_statistics.append("sent: 1 in the statistics, 2 in the books")


def _wrong_rollup(run: Observations) -> None:
    run.wrong_rollups.append("2026-11-27 TIMESM times t: d is 1, and 2 by the records")


def _of_no_message(run: Observations) -> None:
    run.campaigns[CAMPAIGN].comparison.in_books -= 1


def _more_in_doubt_than_open(run: Observations) -> None:
    run.put_in_doubt.append((122.0, 1))


def _in_doubt_and_not_open(run: Observations) -> None:
    run.monitor.put_in_doubt.pop((CAMPAIGN, 0, 0))
    run.monitor.put_in_doubt[CAMPAIGN, 0, 99] = 121.0


def _given_up_although_accepted(run: Observations) -> None:
    run.campaigns[CAMPAIGN].comparison.undecided_in_books = 1


def _in_doubt_until_sent_again(run: Observations) -> None:
    run.events.reported_in_doubt = 1


def _expired(run: Observations) -> None:
    run.campaigns[CAMPAIGN].view.counts[MessageState.EXPIRED] = 1
    run.campaigns[CAMPAIGN].comparison.states[MessageState.EXPIRED] = 1


def _silent(run: Observations) -> None:
    run.arrivals_s[SENDER][:] = [at for at in run.arrivals_s[SENDER] if not 114 <= at < 134.5]


def _unseen(run: Observations) -> None:
    run.monitor.samples[:] = run.monitor.samples[::6]


def _pushed_in_the_pause(run: Observations) -> None:
    run.campaigns[CAMPAIGN].arrivals_s.insert(105, 111.1)


def _never_paused(run: Observations) -> None:
    run.events.campaign_pauses.clear()


def _paused_while_nothing_was_sent(run: Observations) -> None:
    run.campaigns[CAMPAIGN].arrivals_s[:] = [at for at in run.campaigns[CAMPAIGN].arrivals_s if at > 116]


def _arriving_too_fast(run: Observations) -> None:
    run.arrivals_s[SENDER][1:1] = [100.01, 100.02, 100.03]


def _sending_too_fast(run: Observations) -> None:
    run.campaigns[CAMPAIGN].comparison.sent_ms[1:1] = [100_010, 100_020]


def _slow_to_stop(run: Observations) -> None:
    run.events.stops_s.append(10.1)


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (_accepted_twice, "rows accepted more than once"),
        (_in_two_states, "messages in no state, or in two"),
        (_lost_at_submit, "messages in no state, or in two"),
        (_differs, "ledger against books, differences"),
        (_wrong_statistics, "statistics against books and recount, differences"),
        (_wrong_rollup, "statistics against books and recount, differences"),
        (_of_no_message, "ledger against books, differences"),
        (_more_in_doubt_than_open, "in doubt after a worker was lost"),
        (_in_doubt_and_not_open, "in doubt after a worker was lost"),
        (_given_up_although_accepted, "in doubt after all reports came"),
        (_in_doubt_until_sent_again, "in doubt after all reports came"),
        (_expired, "not sent in time"),
        (_silent, "longest gap without a send"),
        (_unseen, "longest gap without a send"),
        (_pushed_in_the_pause, "pushes later than 1 s after a pause"),
        (_never_paused, "pushes later than 1 s after a pause"),
        (_paused_while_nothing_was_sent, "pushes later than 1 s after a pause"),
        (_arriving_too_fast, "most in a second, arriving"),
        (_sending_too_fast, "most in a second, sent"),
        (_slow_to_stop, "longest stop after SIGTERM"),
    ],
)
def test_each_figure_fails_for_its_own_value_alone(damage: Callable[[Observations], None], name: str) -> None:
    run = good()
    damage(run)
    assert broken(run) == {name}


@pytest.mark.parametrize(("codes", "amount"), [({"suppressed:31": 1}, 0), ({"push:13": 1}, 1)])
def test_only_a_message_whose_second_attempt_was_suppressed_may_be_given_up(codes: dict[str, int], amount: int) -> None:
    run = good()
    (outcome,) = run.campaigns.values()
    outcome.view.codes.update(codes)
    outcome.comparison.states.update({MessageState.DELIVERED: -1, MessageState.GIVEN_UP: 1})
    assert never_accepted(run).amount == amount
