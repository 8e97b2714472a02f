"""The invariants about pushes, which must hold at every moment of a simulation.

``ledger_checks`` has the invariants about the ledger.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from tests.simulation.violation import Invariant, Violation
from times_dispatch.ledger.model import CampaignId

if TYPE_CHECKING:
    from tests.simulation.provider import BegunPush, Row
    from tests.simulation.world import World

STOPS_WITHIN_S = 1.0
"""No push may start later than this after the return of a pause, a cancel or an opt-out, in seconds."""
RATE_EXCESS = 0.10
"""By what share the pushes of a second may exceed the rate; one more push than the rate is always allowed."""
SECOND_S = 0.998
"""Slightly less than a second, because a worker pushes up to a millisecond before a send time."""
PUSHED_WITHIN_S = 1.5
"""How long after a second that the server forgot a message that was opened in that second may be pushed, in seconds."""
LOOKED_AT_S = 10.0
"""Seconds after the answer to a report, after which no message may be sent again without regard to the report."""
INDIA_S = 19_800
DAY_S = 86_400


class PushChecks:
    """Checks each push in the providers' books once, after its beginning and after its acceptance."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._seen = 0
        self._by_pace: defaultdict[str, list[float]] = defaultdict(list)
        """When the last pushes began, for each sender and for each campaign with its own rate."""
        self._of_day: Counter[tuple[str, int]] = Counter()
        self._of_campaign: Counter[str] = Counter()
        self._same_text: dict[tuple[str, str, str], tuple[float, Row]] = {}

    def check(self) -> None:
        """Check the pushes since the last check."""
        books = self._world.books
        if books.overlaps:
            raise Violation(Invariant.FENCE, f"pushed by two workers at once: {books.overlaps[0]}")
        for begun in books.begun[self._seen :]:
            self._check_stops(begun)
            self._check_paces(begun)
        self._seen = len(books.begun)
        new, books.new = books.new, []
        for row in new:
            self._check_copies(row)
            self._check_limits(row)

    def _check_stops(self, begun: "BegunPush") -> None:
        operator, campaign = self._world.operator, begun.row[0]
        for what, at_s in (
            (f"{campaign} was paused or cancelled", operator.paused.get(campaign)),
            (f"{begun.sender} was paused", operator.paused_senders.get(begun.sender)),
            (f"{begun.to} was opted out", operator.opted_out.get(begun.to)),
        ):
            if at_s is not None and begun.at_s > at_s + STOPS_WITHIN_S:
                raise Violation(Invariant.PAUSE, f"a push began {begun.at_s - at_s:.2f} s after {what}")

    def _check_paces(self, begun: "BegunPush") -> None:
        operator, campaign = self._world.operator, begun.row[0]
        self._check_pace(begun.sender, operator.rates[begun.sender], begun.at_s)
        self._check_pace(campaign, operator.submitted[campaign].plan.rate_per_s, begun.at_s)

    def _check_pace(self, name: str, rate: float, at_s: float) -> None:
        if not rate:
            return
        times = self._by_pace[name]
        times.append(at_s)
        in_second = len(times) - bisect_right(times, at_s - SECOND_S)
        most = max(rate + 1, rate * (1 + RATE_EXCESS))
        if at_s <= self._world.slow_until_s:  # each worker may push one block late
            most += len(self._world.workers) * max(1.0, rate / 20)
        if in_second > most and not self._world.was_forgotten(at_s, tolerance_s=2.0):
            raise Violation(Invariant.PACE, f"{in_second} pushes of {name} began within a second, its rate is {rate:g}")
        if len(times) > 10_000:
            del times[: bisect_left(times, at_s - 10.0)]

    def _check_copies(self, row: "Row") -> None:
        world, (campaign, index) = self._world, row
        tries = world.books.accepted[row]
        if len(tries) == 1:
            return
        plan = world.operator.submitted[campaign].plan
        moments = ", ".join(f"attempt {copy.attempt} at {copy.at_s:.3f} s" for copy in tries)
        forgotten = sum(world.was_forgotten(copy.at_s, tolerance_s=PUSHED_WITHIN_S) for copy in tries)
        if len(tries) - len({copy.attempt for copy in tries}) > forgotten:
            raise Violation(Invariant.TWICE, f"message {index} of {campaign} was accepted twice by one id: {moments}")
        resends = (plan.in_doubt == "resend") + world.operator.resolved[campaign]
        second_tries = self._second_tries(row, forgotten) if plan.retry else 0
        if len(tries) > 1 + forgotten + resends + second_tries:
            raise Violation(
                Invariant.TWICE, f"message {index} of {campaign} was accepted {len(tries)} times: {moments}"
            )
        reported_s = min(world.books.known[row].get("delivered", ()), default=None)
        if reported_s is not None and tries[-1].at_s > reported_s + LOOKED_AT_S and not forgotten:
            raise Violation(
                Invariant.EVIDENCE,
                f"message {index} of {campaign} went out again although its report (delivered) was answered "
                f"at {reported_s:.1f} s: {moments}",
            )

    def _second_tries(self, row: "Row", forgotten: int) -> int:
        """Return the largest allowed number of second tries: the limit of the rule, or the number of failed attempts.

        Only failures of attempts before the last attempt count, because the last attempt cannot be its own reason.
        """
        books, rule = self._world.books, self._world.operator.submitted[row[0]].plan.retry
        assert rule
        last = books.accepted[row][-1].attempt
        failed = sum(attempt < last for attempt in books.failed[row])
        return rule.at_most if forgotten else min(rule.at_most, failed)

    def _check_limits(self, row: "Row") -> None:
        world, campaign = self._world, row[0]
        plan, accepted = world.operator.submitted[campaign].plan, world.books.accepted[row][-1]
        forgotten = sum(self._forgotten_of(campaign).values())
        self._of_campaign[campaign] += 1
        budget = world.operator.budgets[campaign]
        if budget and self._of_campaign[campaign] > budget + forgotten:
            raise Violation(
                Invariant.LIMIT, f"{campaign} had {self._of_campaign[campaign]} parts, its budget is {budget}"
            )
        day = int((world.epoch_s + accepted.at_s + INDIA_S) // DAY_S)
        self._of_day[plan.sender, day] += 1
        cap = world.caps.get(plan.sender)
        if cap and self._of_day[plan.sender, day] > cap + forgotten and not world.clock_was_wrong:
            raise Violation(Invariant.LIMIT, f"{plan.sender} had more than its {cap} parts of a day")
        after_s = world.repeat_after_s.get(plan.sender)
        if after_s and not world.lost and not world.clock_was_wrong:
            self._check_repeated(row, plan.sender, after_s, accepted.at_s)

    def _check_repeated(self, row: "Row", sender: str, after_s: float, at_s: float) -> None:
        submitted = self._world.operator.submitted[row[0]]
        key = sender, str(submitted.numbers[row[1]]), f"name {row[1]}"
        before_s, before_row = self._same_text.get(key, (-after_s, row))
        if before_row != row and at_s - before_s < after_s - 1:
            raise Violation(
                Invariant.LIMIT,
                f"the same text went to the number of message {row[1]} twice: by {before_row[0]} and {row[0]}",
            )
        self._same_text[key] = at_s, row

    def _forgotten_of(self, campaign: CampaignId) -> Counter[str]:
        world = self._world
        if not world.lost:
            return Counter()
        sender = world.operator.submitted[campaign].plan.sender
        return Counter(
            begun.row[0]
            for begun in world.books.begun
            if world.operator.submitted[begun.row[0]].plan.sender == sender
            and world.was_forgotten(begun.at_s, tolerance_s=PUSHED_WITHIN_S)
        )
