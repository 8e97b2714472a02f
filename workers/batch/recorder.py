"""The recorder of a batch: writes what came of pushes into the ledger, in small groups as they come."""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import NamedTuple

from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.leases import BatchLeases, Consequence, Lease, Result
from times_dispatch.ledger.protocol import BrakeTarget, HoldPolicy, PushResult
from times_dispatch.ledger.states import Suppression
from times_dispatch.provider.outcomes import BrakeScope, Outcome, Verdict
from workers.batch.ledger_retry import LedgerRetry

_BYTES = {
    Verdict.ACCEPTED: PushResult.ACCEPTED,
    Verdict.REJECTED: PushResult.REJECTED,
    Verdict.BRAKE: PushResult.NOT_SENT,
    Verdict.NOT_SENT: PushResult.NOT_SENT,
    Verdict.THROTTLED: PushResult.NOT_SENT,
    Verdict.IN_DOUBT: PushResult.IN_DOUBT,
}

_WIDEST_FIRST = (BrakeScope.PROVIDER, BrakeScope.SENDER, BrakeScope.CAMPAIGN)


class Pushed(NamedTuple):
    """One message of a block after its push."""

    place: int
    """Index within the batch."""
    block: int
    outcome: Outcome | None
    """None: the push was never begun."""
    parts: int
    provider: int
    """Place in the campaign's chain of the one it went through."""
    suppressed: Suppression | None = None
    """Why it was never begun, and will not be."""


def result(pushed: Pushed) -> Result:
    """Return what the ledger records of one message."""
    outcome = pushed.outcome
    if pushed.suppressed:
        return Result(pushed.place, pushed.block, PushResult.SUPPRESSED, pushed.suppressed.value)
    if outcome is None:
        return Result(pushed.place, pushed.block, PushResult.NEVER_BEGUN)
    return Result(
        pushed.place, pushed.block, _BYTES[outcome.verdict], outcome.code, outcome.transaction_id, pushed.parts
    )


def brake(group: Sequence[Pushed]) -> Outcome | None:
    """Return the outcome of a group that stops the most: the provider before the sender before the campaign."""
    brakes = [item.outcome for item in group if item.outcome and item.outcome.verdict is Verdict.BRAKE]
    return min(brakes, key=lambda outcome: _WIDEST_FIRST.index(outcome.scope or BrakeScope.SENDER), default=None)


def consequence(group: Sequence[Pushed]) -> Consequence:
    """Return what outcomes of one provider mean for the campaign and its sender: a brake, or backing off, or nothing.

    A brake of the provider is the sender's brake here; the dispatcher applies it to the provider's other senders.
    """
    jitter = random.uniform(0.5, 1.0)
    if (stop := brake(group)) is not None:
        target = BrakeTarget.CAMPAIGN if stop.scope is BrakeScope.CAMPAIGN else BrakeTarget.SENDER
        return Consequence(brake=target, reason=f"{stop.reason} ({stop.code})", jitter=jitter)
    back_off, at_least_s, reason = HoldPolicy.NEVER, 0.0, ""
    for pushed in group:
        outcome = pushed.outcome
        if outcome is None:
            continue
        if outcome.verdict is Verdict.THROTTLED:
            back_off, reason = HoldPolicy.ALWAYS, outcome.reason
            at_least_s = max(at_least_s, outcome.retry_after_s or 0.0)
        elif outcome.verdict in {Verdict.NOT_SENT, Verdict.IN_DOUBT} and back_off is HoldPolicy.NEVER:
            back_off, reason = HoldPolicy.IF_NONE_ACCEPTED, outcome.reason
    return Consequence(back_off=back_off, at_least_s=at_least_s, jitter=jitter, reason=reason)


def part_disagreements(group: Sequence[Pushed]) -> int:
    """Count the accepted messages of which the gateway counted other parts than we did."""
    return sum(
        1
        for pushed in group
        if pushed.outcome is not None
        and pushed.outcome.verdict is Verdict.ACCEPTED
        and pushed.outcome.parts not in {0, pushed.parts}
    )


_GROUP = 200
"""Outcomes are written when so many are there …"""
_GROUP_WAIT_S = 0.04
"""… or the first of them is so old …"""
_URGENT = frozenset({Verdict.BRAKE, Verdict.THROTTLED})
"""… or at once: every message that is opened before the ledger knows would get the same answer."""


class Recorder:
    """Writes the outcomes of one batch; there is a task of it only while there is something to write."""

    def __init__(
        self,
        lease: Lease,
        *,
        work: BatchLeases,
        chain: Sequence[str],
        patience: LedgerRetry,
        keep: Callable[[Coroutine[None, None, None]], asyncio.Task[None]],
        on_provider_brake: Callable[[str, str], Awaitable[None]],
        before: Callable[[Sequence[Result]], Awaitable[None]],
        on_returned: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.task: asyncio.Task[None] | None = None
        self._lease = lease
        self._work = work
        self._chain = chain
        self._patience = patience
        self._keep = keep
        self._on_provider_brake = on_provider_brake
        self._before = before
        self._on_returned = on_returned
        self._on_lost = on_lost
        self._pushed: list[Pushed] = []
        self._news = asyncio.Event()
        self._hurry = False
        self._lost = False

    def add(self, pushed: Pushed) -> None:
        """Take in what came of one push."""
        self._pushed.append(pushed)
        self.go_on()
        if len(self._pushed) >= _GROUP or (pushed.outcome and pushed.outcome.verdict in _URGENT):
            self._news.set()

    def go_on(self) -> None:
        """Write what is there, if nothing is being written."""
        if self._pushed and self.task is None and not self._lost:
            self.task = self._keep(self._write_all())

    def hurry(self) -> None:
        """Write at once from now on, however few there are."""
        self._hurry = True
        self._news.set()

    def lose(self) -> None:
        """Write nothing more."""
        self._lost = True
        self.hurry()

    async def _write_all(self) -> None:
        try:
            while self._pushed and not self._lost:
                if len(self._pushed) < _GROUP and not self._hurry:
                    self._news.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_GROUP_WAIT_S):
                            await self._news.wait()
                group, self._pushed = self._pushed, []
                by_provider = defaultdict[int, list[Pushed]](list)
                for pushed in group:
                    by_provider[pushed.provider].append(pushed)
                for place, of_one in by_provider.items():
                    await self._write(of_one, self._chain[place])
        except LeaseLost:
            self._on_lost()
        finally:
            self.task = None

    async def _write(self, group: list[Pushed], provider: str) -> None:
        results = [result(pushed) for pushed in group]
        meaning = consequence(group)
        if (stop := brake(group)) and stop.scope is BrakeScope.PROVIDER:
            await self._patience.call(lambda: self._on_provider_brake(provider, meaning.reason))
        await self._before(results)
        disagreements = part_disagreements(group)
        await self._patience.call(
            lambda: self._work.record(
                self._lease, results, meaning, provider=provider, part_disagreements=disagreements
            )
        )
        if any(item.verdict in {PushResult.NOT_SENT, PushResult.NEVER_BEGUN} for item in results):
            self._on_returned()
