"""From what a push came to, to what the ledger is told."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from times_dispatch.ledger.leases import Consequence, Result
from times_dispatch.ledger.suppression import Suppression
from times_dispatch.provider.outcomes import BrakeScope, Outcome, Verdict

_BYTES = {
    Verdict.ACCEPTED: b"a",
    Verdict.REJECTED: b"r",
    Verdict.BRAKE: b"p",
    Verdict.NOT_SENT: b"p",
    Verdict.THROTTLED: b"p",
    Verdict.IN_DOUBT: b"i",
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
        return Result(pushed.place, pushed.block, b"u", pushed.suppressed.value)
    if outcome is None:
        return Result(pushed.place, pushed.block, b"b")
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
        scope = "campaign" if stop.scope is BrakeScope.CAMPAIGN else "sender"
        return Consequence(brake=scope, reason=f"{stop.reason} ({stop.code})", jitter=jitter)
    back_off, at_least_s, reason = "", 0.0, ""
    for pushed in group:
        outcome = pushed.outcome
        if outcome is None:
            continue
        if outcome.verdict is Verdict.THROTTLED:
            back_off, reason = "always", outcome.reason
            at_least_s = max(at_least_s, outcome.retry_after_s or 0.0)
        elif outcome.verdict in {Verdict.NOT_SENT, Verdict.IN_DOUBT} and not back_off:
            back_off, reason = "alone", outcome.reason
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
